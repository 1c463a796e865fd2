"""Fuzz every parser of strangers' files, guided by coverage; each target in a process of its own, one after another.

    python -m tests.faults.fuzzing --minutes 60 [--corpus DIR] [--found DIR] [target ...]

Needs atheris (the extra ``fuzz``). Fails (exit code 1) on any exception that is not a ``CarpusError``, on an input of
8 KiB at most that takes more than ``SLOW`` seconds of the processor or ``GREEDY`` KiB, and on a process that dies.
What is found is written to ``--found``, and belongs into ``tests/faults/corpus`` under its target's name once mended.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.fuzzing.registry import targets


def fuzz(name: str, seconds: float, corpus: Path, found: Path) -> tuple[int, int, int]:
    """(inputs tried, different breaks found, exit code) of one target."""
    command = [sys.executable, "-m", "tests.faults.fuzzing.one", name, str(seconds), str(corpus), str(found)]
    alone = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=os.environ | alone, capture_output=True, text=True, errors="replace")
    lines = [line for line in done.stdout.splitlines() if line.startswith("found: ")]
    print("".join(line + "\n" for line in lines), end="", flush=True)
    if done.returncode:
        print(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}", flush=True)
    tried = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    return int(tried.group(1)) if tried else 0, len(lines), done.returncode


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzzing")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--found", type=Path, default=Path("found"))
    parser.add_argument("target", nargs="*")
    asked = parser.parse_args()
    names = asked.target or list(targets())
    total = breaks = dead = 0
    with tempfile.TemporaryDirectory() as kept:
        for name in names:
            seconds = asked.minutes * 60 / len(names)
            tried, found, code = fuzz(name, seconds, (asked.corpus or Path(kept)).absolute(), asked.found.absolute())
            print(f"{name:14}{tried:>10} inputs in {seconds:.0f} s, {found} breaks", flush=True)
            total, breaks, dead = total + tried, breaks + found, dead + bool(code)
    ended = f", {dead} targets died" if dead else ""
    print(f"{total} inputs over {len(names)} targets in {asked.minutes:g} minutes: {breaks} breaks{ended}")
    return int(bool(breaks or dead))


if __name__ == "__main__":
    sys.exit(main())
