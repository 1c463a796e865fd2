"""``train queue``: a folder of configurations, each trained by a process of its own, so that none stops the others."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.errors import UsageError

#: Runs a command; gives exit code, standard output and the last line of standard error.
Runner = Callable[[Sequence[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Queued:
    """What became of one configuration.

    Attributes:
        file: the configuration. ok: whether all its runs ended. seconds: that it took now.
        why: the error, or nothing. result: the object that ``train --json`` printed, or ``None``.
    """

    file: Path
    ok: bool
    seconds: float
    why: str
    result: dict[str, Any] | None

    @property
    def dice(self) -> float | None:
        """Mean Dice over bones; of the version named first where two were compared."""
        if self.result is None:
            return None
        return self.result["overall"]["dice_b"] if "overall" in self.result else self.result["dice"]

    @property
    def delta(self) -> float | None:
        """The difference to the other version, where two were compared."""
        return self.result["overall"]["delta"] if self.result and "overall" in self.result else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        facts = {"config": str(self.file), "ok": self.ok, "seconds": round(self.seconds, 1), "why": self.why}
        return {**facts, "dice": self.dice, "delta": self.delta, "result": self.result}


def find_configs(folder: Path) -> list[Path]:
    """The YAML files of a folder, by name.

    Raises:
        UsageError: no folder, or none in it.
    """
    if not folder.is_dir():
        raise UsageError(folder, "is no folder")
    found = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.startswith("."))
    if not found:
        raise UsageError(folder, "holds no .yaml configuration")
    return found


def run_queue(
    files: Sequence[Path], words: Sequence[str], say: Callable[[str], None], run: Runner | None = None
) -> list[Queued]:
    """Train configuration after configuration.

    Each is ``train --config FILE`` in its own process: what crashes it, or what the system kills, ends only itself.
    Finished runs are not repeated and interrupted ones go on, so that the same call resumes a queue.

    Args:
        files: configurations. words: the other arguments of ``train``. say: is told what begins and how it ended.
        run: how to run a command.
    """
    run = run or run_process
    done = []
    for number, file in enumerate(files, 1):
        say(f"{number} of {len(files)}: {file.name}")
        since = time.monotonic()
        code, out, last = run([sys.executable, "-m", "train", "--config", str(file), *words, "--json"])
        result = _read(out) if code == 0 else None
        why = "" if result is not None else last.removeprefix("error: ") or f"ended with exit code {code}"
        done.append(Queued(file, result is not None, time.monotonic() - since, why, result))
        if why:
            say(f"{file.name} failed: {why}")
    return done


def _read(text: str) -> dict[str, Any] | None:
    try:
        return json.loads(text)
    except ValueError:
        return None


def run_process(command: Sequence[str]) -> tuple[int, str, str]:
    """Run a command; its standard error is shown as it comes."""
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            sys.stderr.write(line)
            last = line.strip() or last
        out = process.stdout.read()
    code = process.returncode
    if code < 0:
        last = f"was ended by signal {-code}" + (" (out of memory?)" if code == -9 else "")
    return code, out, _told(last)


def _told(line: str) -> str:
    """An error as a line, also where ``--json`` made an object of it."""
    found = _read(line)
    if not isinstance(found, dict) or "detail" not in found:
        return line
    return f"{found['path']}: {found['detail']}" if found.get("path") else found["detail"]
