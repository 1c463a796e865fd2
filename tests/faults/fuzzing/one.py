"""One target in this process: ``python -m tests.faults.fuzzing.one TARGET SECONDS CORPUS FOUND``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PARSERS = ["curate", "augment.journal", "augment.runfile", "augment.plan", "train.predict.rle"]
"""Modules whose branches guide the search."""


def main(name: str, seconds: str, corpus: str, found: str) -> None:
    import atheris

    with atheris.instrument_imports(include=PARSERS):
        from tests.faults.fuzzing.registry import targets
    from tests.faults.fuzzing.find import Finds, guided

    with tempfile.TemporaryDirectory() as folder:
        guided(targets()[name], int(float(seconds)), Path(folder), Path(corpus) / name, Finds(name, Path(found)))


if __name__ == "__main__":
    main(*sys.argv[1:])
