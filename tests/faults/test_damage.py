"""A flipped bit or a cut end in any file that a version needs is found, and named by its path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.errors import CarpusError
from curate.manifest import Manifest
from curate.manifest.head import NAME
from curate.manifest.orphans import needed_files
from curate.verify import verify_manifest
from tests.faults.small import COMMANDS, prepare


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Originals, a new split and mosaics: every kind of file there is."""
    folder = prepare(COMMANDS["mosaic"], tmp_path_factory.mktemp("damage") / "data")
    assert COMMANDS["mosaic"].run(folder)[0] == 0
    assert verify_manifest(Manifest.open(folder)).to_dict() == {
        "ok": True, "problems": [], "orphans": [], "twins": [], "samples": 14, "resumed": 0, "unchecked": (),
    }  # fmt: skip
    return folder


def damage(data: bytes, rng: np.random.Generator) -> bytes:
    """One flipped bit, or (one time in four) a cut end."""
    at = int(rng.integers(len(data)))
    if rng.random() < 0.25:
        return data[:at]
    return data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1 :]


def reported(root: Path, path: str) -> bool:
    try:
        found = verify_manifest(Manifest.open(root))
    except CarpusError as error:  # a head that is no manifest any more: the one line names it
        return error.path == str(root / path)
    return any(p.path == path for p in found.problems)


def all_found(root: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = sorted(needed_files(Manifest.open(root)))
    assert {Path(f).suffix for f in files} == {".png", ".json", ".parquet", ".csv", ".yaml"}
    for k in range(count):
        path = files[int(rng.integers(len(files)))] if k % 4 else [NAME, *files[-5:]][int(rng.integers(6))]
        whole = (root / path).read_bytes()
        try:
            (root / path).write_bytes(damage(whole, rng))
            assert reported(root, path), (path, k)
        finally:
            (root / path).write_bytes(whole)


def test_damage_is_named(root: Path) -> None:
    all_found(root, 40, seed=0)


@pytest.mark.long
def test_a_thousand_damages_are_named(root: Path) -> None:
    all_found(root, 1000, seed=1)


def test_a_fast_look_says_what_it_left_out(root: Path) -> None:
    picture = root / sorted(f for f in needed_files(Manifest.open(root)) if f.endswith(".png"))[0]
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1])
    fast = verify_manifest(Manifest.open(root), fast=True)
    assert fast.problems == []
    assert "bytes of pictures" in fast.unchecked[0]
    picture.unlink()
    assert [p.kind for p in verify_manifest(Manifest.open(root), fast=True).problems] == ["missing"]
    picture.write_bytes(whole)


def test_an_interrupted_verification_resumes(root: Path) -> None:
    def stop_after_five(rows, total):
        for k, row in enumerate(rows):
            if k == 5:
                raise KeyboardInterrupt
            yield row

    with pytest.raises(KeyboardInterrupt):
        verify_manifest(Manifest.open(root), progress=stop_after_five)
    resumed = verify_manifest(Manifest.open(root), resume=True)
    assert (resumed.resumed, resumed.problems, resumed.orphans) == (5, [], [])
    assert verify_manifest(Manifest.open(root), resume=True).resumed == 0


def test_orphans_are_told_and_are_no_problem(root: Path) -> None:
    stray = root / "derived/v3/mosaic/stray.png"
    stray.write_bytes(b"left behind")
    found = verify_manifest(Manifest.open(root))
    assert (found.problems, found.orphans) == ([], ["derived/v3/mosaic/stray.png"])
    stray.unlink()
