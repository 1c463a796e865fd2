"""SIGKILL at random points: the manifest is the old or the new one, and running again ends with the same bytes."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.faults.kill import run_anew, run_killed, server
from tests.faults.layer import Disk, under
from tests.faults.small import COMMANDS, WRITING, Around, Command, contents, settled

SHORT, LONG, REAL = 2, 60, 3
"""Kills of each command in the normal suite, in the long one (more than 1,000 over all commands), and of processes
that start anew as a user's do."""


@pytest.fixture(scope="module")
def context():
    return server()


def killed(
    command: Command, around: Around, work: Path, kill: Callable[[Path], int], again: int = 2
) -> bool:
    """Kill one run, check what is left, run again, compare with an undisturbed run; whether the kill came in time."""
    code = kill(work)
    settled(work, around, command.name)
    for _ in range(again):  # the second time there is nothing left to do or to clean up
        done = command.once and around.after.items() <= contents(work).items()
        with under(Disk(work)):
            code_again, said = command.run(work)
        assert code_again == (2 if done else 0), (command.name, said)
        assert contents(work) == around.after, command.name
    return code == -9


def kills(context, name: str, folder: Path, count: int) -> int:
    """Kill a command ``count`` times: one in four at a random time, the others in a random operation on a file."""
    command = COMMANDS[name]
    around = Around.of(command, folder)
    timed = shutil.copytree(around.place, folder / "timed/data")
    start = time.perf_counter()
    assert run_killed(context, name, timed) == 0
    took = time.perf_counter() - start
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    met = 0
    for k in range(count):
        work = shutil.copytree(around.place, folder / "work/data")
        when = {"seconds": rng.uniform(0, took)} if k % 4 == 1 else {"at": int(rng.integers(around.operations))}
        met += killed(command, around, work, partial(run_killed, context, name, **when), 2 if k % 4 == 0 else 1)
        shutil.rmtree(work.parent)
    return met


@pytest.mark.parametrize("name", WRITING)
def test_killed_runs_leave_the_old_or_the_new_manifest(name: str, tmp_path: Path, context) -> None:
    assert kills(context, name, tmp_path, SHORT) >= SHORT // 2


@pytest.mark.long
@pytest.mark.parametrize("name", WRITING)
def test_a_thousand_kills(name: str, tmp_path: Path, context) -> None:
    assert kills(context, name, tmp_path, LONG) >= LONG // 2


@pytest.mark.long
@pytest.mark.parametrize("name", WRITING)
def test_kills_of_processes_that_start_anew(name: str, tmp_path: Path) -> None:
    command = COMMANDS[name]
    around = Around.of(command, tmp_path)
    start = time.perf_counter()
    assert run_anew(name, shutil.copytree(around.place, tmp_path / "timed/data")) == 0
    took = time.perf_counter() - start
    rng = np.random.default_rng(zlib.crc32(name.encode()) + 1)
    for _ in range(REAL):
        work = shutil.copytree(around.place, tmp_path / "work/data")
        killed(command, around, work, partial(run_anew, name, seconds=rng.uniform(0.5 * took, took)))
        shutil.rmtree(work.parent)
