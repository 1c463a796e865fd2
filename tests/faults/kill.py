"""Running a command in a process of its own that is killed at a random moment."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.layer import Disk, under
from tests.faults.small import COMMANDS

_MODULES = ["tests.faults.kill", "curate.ingest", "curate.steps", "curate.summary", "augment.make",
            "augment.rebuild", "augment.runfile", "curate.terminal", "curate.merge", "curate.edit", "curate.export",
            "curate.gc", "curate.notes", "curate.flags"]  # fmt: skip


def server() -> multiprocessing.context.ForkServerContext:
    """A fork server that has imported the program, so that a run starts in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_MODULES)
    return context


def _child(name: str, root: Path, kill_at: int | None) -> None:
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the life of this process
    with under(Disk(root, kill_at)):
        code, _ = COMMANDS[name].run(root)
    os._exit(code)


def run_killed(
    context: multiprocessing.context.ForkServerContext, name: str, root: Path, seconds: float | None = None,
    at: int | None = None,
) -> int:
    """Run a command and kill it after some seconds, or in its k-th operation on a file; its exit code, -9 if killed."""
    process = context.Process(target=_child, args=(name, root, at))
    process.start()
    if seconds is not None:
        time.sleep(seconds)
        process.kill()
    process.join()
    code = process.exitcode
    process.close()
    return code


def run_anew(name: str, root: Path, seconds: float | None = None) -> int:
    """Run a command as a user does, in a process that starts anew, real syncs and all; kill it after some seconds."""
    command = COMMANDS[name]
    process = subprocess.Popen(
        [sys.executable, "-m", f"{command.app}.cli", *command.arguments], cwd=root,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
