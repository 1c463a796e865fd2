"""The commands as a user runs them: real processes, real exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from curate.ingest import ingest
from tests.phantoms import tiny_set

BIN = Path(sys.executable).parent


def run(folder, *words, code=0, **environment):
    """Run a command in a folder; returns (standard output, standard error)."""
    done = subprocess.run(
        [BIN / words[0], *map(str, words[1:])],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "160"} | environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def as_json(folder, *words, code=0):
    return json.loads(run(folder, *words, "--json", code=code)[0])


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A folder after ``curate init`` and the main job's first commands."""
    root = tiny_set(tmp_path_factory.mktemp("cli") / "set with blanks")
    out, _ = run(root, "curate", "init")
    assert out.startswith("v1: 12 films of 6 patients; split s1: 2 folds")
    return root


def test_the_main_job(started):
    root = started
    facts = as_json(root, "curate", "show", "v1")
    assert (facts["version"], facts["parent"], len(facts["samples"])) == ("v1", None, 12)
    victim = facts["samples"][0]["id"]
    assert run(root, "curate", "drop", "--sample", victim)[0].startswith("v2: 1 film of v1 dropped from training")
    assert "already this step" in run(root, "curate", "drop", "--sample", victim)[0]
    out, _ = run(root, "augment", "mosaic", "--n", 5, "--seed", 3, "--workers", 2)
    assert out.startswith("v3: 5 mosaic samples added to v2; 17 in all")
    assert "nothing to do" in run(root, "augment", "mosaic", "--n", 5, "--seed", 3)[0]
    made = as_json(root, "augment", "rotate", "--n", 4, "--low", -20, "--high", 20, "--virtual")
    assert (made["version"], made["n"], made["made"]) == ("v4", 21, 4)
    lines = as_json(root, "curate", "versions")["versions"]
    assert [(v["version"], v["parent"], v["n"]) for v in lines] == [
        ("v1", None, 12),
        ("v2", "v1", 12),
        ("v3", "v2", 17),
        ("v4", "v3", 21),
    ]
    rows = {r["id"]: r for r in as_json(root, "curate", "show", "v4")["samples"]}
    for row in rows.values():
        assert row["split"] == "train"
        assert row["fold"] in (0, 1)
        assert victim not in row["parents"]
        if row["recipe"] is None:
            continue
        assert {rows[p]["fold"] for p in row["parents"]} == {row["fold"]}
        assert row["group"] == "+".join(sorted({rows[p]["group"] for p in row["parents"]}))
        virtual = row["recipe"]["operator"] == "rotate"
        assert (row["image"] is None) == (row["file"] is None) == virtual
        assert virtual or (root / row["image"]).is_file()
    assert "every byte" in run(root, "curate", "verify", "v4")[0]
    picture = root / next(r["image"] for r in rows.values() if r["image"] and r["recipe"])
    before = picture.read_bytes()
    picture.unlink()
    found = as_json(root, "curate", "verify", "v3", code=1)
    missing = {"path": picture.relative_to(root).as_posix(), "kind": "missing", "detail": "the file is not there"}
    assert (found["ok"], found["problems"]) == (False, [missing])
    out, _ = run(root, "augment", "rebuild", "v3")
    assert "1 sample made again" in out
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("curate", "show", "v99"), 2, "v99: is no version"),
        (("curate", "init", "nowhere"), 2, "is not a folder"),
        (("curate", "init"), 2, "does not write over it"),
        (("curate", "drop"), 2, "needs --flag or --sample"),
        (("curate", "split", "--folds", "1", "--from", "v1"), 2, "at least 2"),
        (("curate", "frobnicate"), 2, "frobnicate"),
        (("augment", "mosaic"), 2, "--n"),
        (("augment", "mosaic", "--n", "x"), 2, "x"),
        (("augment", "mosaic", "--n", "0"), 2, "--n"),
        (("augment", "mosaic", "--n", "3", "--fit", "wide"), 2, "whole, cropped, mixed"),
        (("augment", "mosaic", "--n", "3", "--classes", "finger-99"), 2, "finger-99"),
        (("augment", "mosaic", "--n", "3", "--where", "age>=200"), 2, "no sample is left"),
        (("augment", "rotate", "--n", "3", "--low", "50", "--high", "10"), 2, "no range"),
        (("augment", "rebuild", "v99"), 2, "v99"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(started, words, code, told):
    before = (started / "data_manifest.yaml").read_bytes()
    _, error = run(started, *words, code=code)
    assert told in error
    assert len(error.strip().splitlines()) == 1
    _, error = run(started, *words, "--json", code=code)
    assert set(json.loads(error)) == {"error", "path", "detail"}
    assert (started / "data_manifest.yaml").read_bytes() == before


def test_no_manifest_here():
    # Not under tmp_path: that may lie in a checkout, whose own manifest would be found above it.
    with tempfile.TemporaryDirectory() as folder:
        _, error = run(folder, "curate", "versions", code=2)
    assert "curate init" in error


def test_init_with_bad_files_keeps_the_good_ones(tmp_path):
    root = tiny_set(tmp_path / "set", patients=4, films=1)
    film = sorted((root / "DCM").rglob("*.png"))[0]
    film.write_bytes(film.read_bytes()[:50])
    out, error = run(root, "curate", "init", code=2)
    assert out.startswith("v1: 3 films")
    assert f"refused: {film.relative_to(root).as_posix()}: is truncated" in error
    assert "refused: DCM/" in run(root, "curate", "show", "v1")[0]


def test_a_terminal_that_knows_no_korean_is_told_all_the_same(tmp_path):
    root = tiny_set(tmp_path / "set", patients=4, films=1)
    for kind in ("DCM", "outputs_json"):
        (root / kind / "ID001").rename(root / kind / "환자")
    ingest(root)
    out, _ = run(root, "curate", "show", PYTHONIOENCODING="cp1252")  # as a pipe on Windows
    assert r"\ud658\uc790/image" in out
    assert "ID004/image" in out


def test_help_is_quick_and_torch_is_left_alone():
    start = time.perf_counter()
    subprocess.run([BIN / "curate", "--help"], check=True, capture_output=True)
    assert time.perf_counter() - start < 20  # hangs, not speed: nothing here may load torch or wait for a network
    code = "import sys, curate, curate.cli, augment.cli, augment.make; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_curate_imports_neither_of_the_others():
    code = """
import importlib, pkgutil, sys
for root, others in (("curate", ("augment", "train")), ("augment", ("train",)), ("train", ("augment",))):
    for name in [m for m in sys.modules if m.split(".")[0] in ("curate", "augment", "train")]:
        del sys.modules[name]
    package = importlib.import_module(root)
    for module in pkgutil.walk_packages(package.__path__, root + "."):
        importlib.import_module(module.name)
    bad = [m for m in sys.modules if m.split(".")[0] in others]
    assert not bad, (root, bad)
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"})
