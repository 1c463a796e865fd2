"""A data set of a few small films, and the commands that write to it."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from augment.cli import app as augment
from curate.cli import app as curate
from curate.sample.image import write_png
from curate.terminal import run

FILMS, WIDTH, HEIGHT = 8, 72, 56
APPS = {"curate": curate, "augment": augment}


def write_films(root: Path, films: int = FILMS, seed: int = 0) -> Path:
    """Films of one patient each in the competition's layout, three polygons a film, one of them cut by the frame."""
    rng = np.random.default_rng(seed)
    for k in range(films):
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
    """One writing command and what must have been done before it."""

    name: str
    app: str
    arguments: tuple[str, ...]
    before: tuple[str, ...] = ()

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


COMMANDS = {
    c.name: c
    for c in (
        Command("init", "curate", ("init", ".", "--folds", "2")),
        Command("drop", "curate", ("drop", "--sample", "ID002/image2"), ("init",)),
        Command("split", "curate", ("split", "--folds", "3", "--test", "0.2"), ("init",)),
        Command("mosaic", "augment", ("mosaic", "--n", "6", "--seed", "3"), ("init", "split")),
        Command("rotate", "augment", ("rotate", "--n", "6", "--seed", "5"), ("init",)),
        Command("virtual", "augment", ("mosaic", "--n", "4", "--virtual"), ("init",)),
    )
}


def prepare(command: Command, root: Path) -> Path:
    """The data set as it is before a command runs."""
    write_films(root)
    for name in command.before:
        code, said = COMMANDS[name].run(root)
        assert code == 0, said
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file that counts: all but the lock and who holds it."""
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and not p.name.startswith(".lock")
    }
