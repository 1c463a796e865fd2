"""What docs/curate.md shows of Python, run as it stands there."""

import importlib
import re
import textwrap
from pathlib import Path

from curate import flagged
from curate.manifest import Manifest
from tests.flagging import put_flags
from tests.phantoms import tiny_set

PAGE = Path(__file__).parents[2] / "docs/curate.md"


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_set(tmp_path / "hands")
    turned = "ID001/image1660000000000"
    monkeypatch.setattr(flagged, "flag_version", lambda version: put_flags(version, {"rotation": [turned]}))
    text = PAGE.read_text(encoding="utf-8").split("## The same from Python")[1]
    code = [line for line in text.splitlines() if line.startswith("    ")]
    names: dict = {}
    exec(textwrap.dedent("\n".join(code)), names)  # the page is ours
    assert [v.name for v in Manifest.find("hands").versions()] == ["v1", "v2", "v3"]
    assert (names["problems"], names["changed"]) == ([], [])
    assert not any(turned in row.parents for row in names["v3"].samples)
    assert names["pixels"].shape == (24, 24)
    assert (tmp_path / "mosaics").is_dir()


def test_the_functions_that_the_page_names_are_there():
    table = PAGE.read_text(encoding="utf-8").split("| also |")[1]
    named = re.findall(r"`((?:curate|augment|train)(?:\.\w+){2,})`", table)
    assert len(named) >= 14
    for name in named:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(module), function)), name
