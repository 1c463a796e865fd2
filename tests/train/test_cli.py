"""The command ``train`` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch")

from curate.terminal import run
from tests.train.conftest import BONES
from train.cli import app

BIN = Path(sys.executable).parent


def _train(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(BIN / "train"), *words], cwd=folder, capture_output=True, text=True, check=False,
        env=os.environ | {"COLUMNS": "160", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def _set(settings: tuple[str, ...], *more: str) -> list[str]:
    return [word for setting in (*settings, *more) for word in ("--set", setting)]


def test_help_is_fast_and_imports_no_torch(tmp_path):
    began = time.monotonic()
    text = _train(tmp_path, "--help").stdout
    assert time.monotonic() - began < 5  # 0.4 s alone; torch alone would take several on a busy machine
    assert "--against" in text
    code = "import sys, train.cli; assert not {'torch', 'lightning', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _here(capsys, *words: str, code: int = 0) -> tuple[str, str]:
    """The same in this process, which has imported torch already."""
    assert run(app, words) == code
    told = capsys.readouterr()
    return told.out, told.err


def test_two_versions_and_the_report(tiny, settings, capsys):
    words = ["--manifest", "v2", "--against", "v1", "--seeds", "2", "--data", str(tiny), *_set(settings, "steps=2")]
    out, _ = _here(capsys, *words)
    page = Path(out.strip().rpartition("report: ")[2])
    assert page.is_file()
    assert "finger-7" in page.read_text()
    out, told = _here(capsys, *words, "--json")
    found = json.loads(out)
    assert told.count("finished before") == 4
    assert {"n_images", "n_groups", "n_seeds", "classes", "overall"} <= found.keys()
    assert (found["n_seeds"], found["n_images"]) == (2, 6)
    arms = sorted({path.parent for path in (tiny / "runs").glob("*/fold0/seed0")})
    out, _ = _here(capsys, "diff", str(arms[0]), str(arms[1]), "--json", "--out", str(tiny / "out"))
    assert {c["name"] for c in json.loads(out)["classes"]} == {c["name"] for c in found["classes"]}


def test_one_version(tiny, settings, capsys):
    words = ["--manifest", "v1", "--seeds", "1", "--fold", "1", "--data", str(tiny), *_set(settings, "steps=1")]
    found = json.loads(_here(capsys, *words, "--json")[0])
    assert (found["version"], found["fold"], found["steps"]) == ("v1", 1, 1)
    assert [row["name"] for row in found["classes"]] == list(BONES)
    assert "mean Dice over bones" in _here(capsys, *words)[0]


def test_a_leak_put_in_by_hand_is_refused_with_exit_code_1(tiny, settings):
    from curate.manifest import Manifest

    version = Manifest.open(tiny).version("v2")
    child = next(row for row in version.samples if not row.is_original)
    far = next(row for row in version.samples if row.is_original and row.fold != child.fold)
    path = tiny / version.entry["table"]["file"]
    table = pq.read_table(path)
    parents = [
        [far.id, *row["parents"][1:]] if row["id"] == child.id else row["parents"] for row in table.to_pylist()
    ]
    at = table.schema.get_field_index("parents")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(parents, table.schema.field(at).type)), path)
    done = _train(tiny, "--manifest", "v2", *_set(settings, "steps=1"), code=1)
    assert child.id in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tiny / "runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--manifest", "v9"), "v9"),
        (("--manifest", "v1", "--fold", "9"), "--fold: 9 does not exist"),
        (("--manifest", "v1", "--set", "stepz=3"), "no option is called 'stepz'"),
        (("--manifest", "v1", "--config", "nosuch"), "neither a file nor a preset"),
        (("diff", "nowhere", "nowhere2"), "no such folder"),
        (("nonsense",), "--manifest"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(tiny, words, said, capsys, monkeypatch):
    monkeypatch.chdir(tiny)
    _, told = _here(capsys, *words, code=2)
    assert said in told
    assert len(told.strip().splitlines()) == 1


def test_config_prints_what_would_be_used(tmp_path):
    text = _train(tmp_path, "config", "--config", "demo", "--set", "steps=5").stdout
    assert "steps: 5 " in text
    assert "# optimiser steps" in text
    assert "demo" in _train(tmp_path, "config", "--presets").stdout
