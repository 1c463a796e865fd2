"""A data set of a few small films, and the commands that write to it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from augment.cli import app as augment
from curate.cli import app as curate
from curate.manifest import Manifest
from curate.manifest.head import NAME
from curate.sample.image import write_png
from curate.terminal import run
from curate.verify import verify_manifest
from tests.faults.layer import Disk, under

FILMS, WIDTH, HEIGHT = 8, 72, 56
APPS = {"curate": curate, "augment": augment}


def write_films(root: Path, films: int = FILMS, seed: int = 0, first: int = 0) -> Path:
    """Films of one patient each in the competition's layout, three polygons a film, one of them cut by the frame."""
    rng = np.random.default_rng(seed)
    for k in range(first, first + films):
        gray = rng.integers(0, 60, (HEIGHT, WIDTH), np.uint8)
        entries = []
        for name, at in (("Radius", (4, 6)), ("Ulna", (30, 20)), ("Lunate", (60, 10))):
            x, y = at[0] + k % 3, at[1] + k % 5
            gray[y : y + 18, x : x + 14] += 120
            points = [[x, y], [x + 14, y + 1], [x + 12, y + 18], [x + 5, y + 12], [x, y + 17]]
            entries.append({"id": f"{k}-{name}", "type": "poly_seg", "label": name, "points": points})
        place = root / f"train/DCM/ID{k:03d}/image{k}.png"
        write_png(place, gray)
        labels = root / f"train/outputs_json/ID{k:03d}/image{k}.json"
        labels.parent.mkdir(parents=True)
        labels.write_bytes(orjson.dumps({"annotations": entries, "filename": f"image{k}.jpg"}))
    return root


@dataclass(frozen=True)
class Command:
    """One writing command and what must have been done before it.

    Attributes:
        before: commands, by name. arrange: what else the data set or the folder beside it must hold.
        once: asked again after it is done it refuses (exit code 2) rather than saying that there is nothing to do.
    """

    name: str
    app: str
    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()
    arrange: Callable[[Path], None] = field(default=lambda root: None, repr=False)
    once: bool = False

    def run(self, root: Path) -> tuple[int, str]:
        """Run in this process, in the data set's folder; exit code and what it said on standard error."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        here = Path.cwd()
        os.chdir(root)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(APPS[self.app], [*self.arguments, "--json"])
        finally:
            os.chdir(here)
        return code, err.buffer.getvalue().decode()


def _later_films(root: Path) -> None:
    """A patient's film that comes after v1."""
    write_films(root, films=1, seed=9, first=FILMS)


def _as_geojson(root: Path) -> None:
    """The same films in another tool's format, with the one of the competition out of the way."""
    labels = root / "train/outputs_json"
    for path in sorted(labels.rglob("*.json")):
        features = [
            {"geometry": {"type": "Polygon", "coordinates": [[*e["points"], e["points"][0]]]},
             "properties": {"label": e["label"]}}
            for e in orjson.loads(path.read_bytes())["annotations"]
        ]  # fmt: skip
        place = root / "labels" / path.relative_to(labels).with_suffix(".geojson")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(orjson.dumps({"features": features}))
    shutil.rmtree(labels)
    (root / "train/DCM").rename(root / "images")


def _their_copy(root: Path) -> None:
    """Another person's copy of the data set: a film was dropped, one corrected, and films rotated."""
    theirs = shutil.copytree(root, root / "theirs")
    for name in ("their drop", "their edit", "rotate"):
        code, said = COMMANDS[name].run(theirs)
        assert code == 0, said


def _garbage(root: Path) -> None:
    """Files that no version names, in the folders that are carpus's own."""
    for k in range(5):
        path = root / f"derived/v9/mosaic/{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left behind")
    (root / "data_manifest/v9.parquet").write_bytes(b"left behind")


def _lost_files(root: Path) -> None:
    """The files of derived samples, gone or damaged."""
    pictures = sorted((root / "derived").rglob("*.png"))
    for path in pictures[:3]:
        path.unlink()
    pictures[3].write_bytes(b"damaged")


def _plan(root: Path) -> None:
    (root / "plan.yaml").write_text("operators:\n- rotate: {n: 3}\n- mosaic: {n: 3}\n")


QUICK = ("exposure", "inverted", "duplicate", "label-duplicate", "label-missing")
"""Detectors that need no network, so that a run takes a tenth of a second."""

COMMANDS = {
    c.name: c
    for c in (
        Command("init", "curate", ("init", ".", "--folds", "2"), once=True),
        Command("import", "curate", ("init", ".", "--format", "geojson", "--folds", "2"), (), _as_geojson, once=True),
        Command("add", "curate", ("add",), ("init",), _later_films, once=True),
        Command("drop", "curate", ("drop", "--sample", "ID002/image2"), ("init",)),
        Command("split", "curate", ("split", "--folds", "3", "--test", "0.2"), ("init",)),
        Command("edit", "curate", ("edit", "ID003/image3", "Ulna", "--label", "Lunate"), ("init", "rotate")),
        Command("tag", "curate", ("tag", "baseline", "v1"), ("init", "drop")),
        Command("note", "curate", ("note", "v1", "as it came"), ("init", "drop")),
        Command("flag", "curate", ("flag-outliers", "--detector", *QUICK), ("init",)),
        Command("merge", "curate", ("merge", "theirs"), ("init", "drop"), _their_copy),
        Command("gc", "curate", ("gc", "--remove"), ("init", "rotate"), _garbage),
        Command("export", "curate", ("export", "v1", "out", "--format", "coco"), ("init",), once=True),
        Command("mosaic", "augment", ("mosaic", "--n", "6", "--seed", "3"), ("init", "split")),
        Command("rotate", "augment", ("rotate", "--n", "6", "--seed", "5"), ("init",)),
        Command("virtual", "augment", ("mosaic", "--n", "4", "--virtual"), ("init",)),
        Command("run", "augment", ("run", "plan.yaml"), ("init",), _plan),
        Command("rebuild", "augment", ("rebuild", "v2"), ("init", "rotate"), _lost_files),
        Command("their drop", "curate", ("drop", "--sample", "ID001/image1"), ("init",)),
        Command("their edit", "curate", ("edit", "ID005/image5", "Ulna", "--remove"), ("init",)),
    )
}
WRITING = [name for name in COMMANDS if not name.startswith("their ")]
"""Commands to kill and to starve; the others prepare for them."""


def prepare(command: Command, root: Path) -> Path:
    """The data set as it is before a command runs."""
    write_films(root)
    for name in command.before:
        code, said = COMMANDS[name].run(root)
        assert code == 0, said
    command.arrange(root)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file that counts: all but the lock and who holds it."""
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and not p.name.startswith(".lock")
    }


def sound(root: Path) -> bool:
    """Whether there is a manifest and all of it verifies."""
    return (root / NAME).exists() and not verify_manifest(Manifest.open(root)).problems


@dataclass(frozen=True)
class Around:
    """A data set around a command: its files before and after an undisturbed run, and how many operations that took.

    Attributes:
        place: of the data set before. verified: whether it verifies then.
    """

    place: Path
    before: dict[str, bytes]
    after: dict[str, bytes]
    operations: int
    verified: bool

    @classmethod
    def of(cls, command: Command, folder: Path) -> Around:
        """Run it undisturbed once on a copy."""
        place = prepare(command, folder / "before/data")
        whole = shutil.copytree(place, folder / "undisturbed/data")
        with under(Disk(whole)) as disk:
            code, said = command.run(whole)
        assert code == 0, said
        assert sound(whole)
        return cls(place, contents(place), contents(whole), len(disk.seen), sound(place))


def settled(root: Path, around: Around, where: object) -> None:
    """What must hold after a command was cut off: the head is the old or the new one, and so is every single file."""
    now, then, after = contents(root), around.before, around.after
    head, old = now.get(NAME), then.get(NAME)
    assert head in (old, after[NAME]), where
    for path in then.keys() | after.keys():
        assert now.get(path) in (then.get(path), after.get(path)), (path, where)
    if head != old:  # the new version is named: all of it is there
        assert {k: now.get(k) for k in after} == after, where
    if head is not None and (around.verified or old is None):
        assert verify_manifest(Manifest.open(root)).problems == [], where
