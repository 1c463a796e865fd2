"""SIGKILL at random points: the manifest is the old or the new one, and running again ends with the same bytes."""

from __future__ import annotations

import shutil
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from curate.manifest import Manifest
from curate.manifest.head import NAME
from curate.verify import verify
from tests.faults.kill import run_killed, server
from tests.faults.layer import Disk, under
from tests.faults.small import COMMANDS, Command, contents, prepare

SHORT, LONG = 6, 170
"""Kills of each command in the normal suite and in the long one (more than 1,000 over all commands)."""


@pytest.fixture(scope="module")
def context():
    return server()


def killed(context, command: Command, before: Path, after: dict[str, bytes], work: Path, **when: float | int) -> bool:
    """Kill one run, check what is left, run again, compare with an undisturbed run; whether the kill came in time."""
    code = run_killed(context, command.name, work, **when)
    head = (work / NAME).read_bytes() if (work / NAME).exists() else None
    old = (before / NAME).read_bytes() if (before / NAME).exists() else None
    assert head in (old, after[NAME]), when
    now, then = contents(work), contents(before) if head == old else after
    assert {k: now.get(k) for k in then} == then, when
    if head is not None:
        assert verify(Manifest.open(work).version()) == [], when
    for _ in range(2):  # the second time there is nothing left to do or to clean up
        with under(Disk(work)):
            code_again, said = command.run(work)
        assert code_again == (2 if command.name == "init" and head is not None else 0), (when, said)
        head = after[NAME]
        assert contents(work) == after, when
    return code == -9


def kills(context, name: str, folder: Path, count: int) -> int:
    """Kill a command ``count`` times: half of them at a random time, half in a random operation on a file."""
    command = COMMANDS[name]
    before = prepare(command, folder / "before/data")
    undisturbed = shutil.copytree(before, folder / "undisturbed/data")
    with under(Disk(undisturbed)) as disk:
        assert command.run(undisturbed)[0] == 0
    after, operations = contents(undisturbed), len(disk.seen)
    timed = shutil.copytree(before, folder / "timed/data")
    start = time.perf_counter()
    assert run_killed(context, name, timed) == 0
    took = time.perf_counter() - start
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    met = 0
    for k in range(count):
        work = shutil.copytree(before, folder / "work/data")
        when = {"seconds": rng.uniform(0, took)} if k % 2 else {"at": int(rng.integers(operations))}
        met += killed(context, command, before, after, work, **when)
        shutil.rmtree(work.parent)
    return met


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_runs_leave_the_old_or_the_new_manifest(name: str, tmp_path: Path, context) -> None:
    assert kills(context, name, tmp_path, SHORT) >= SHORT // 2


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_a_thousand_kills(name: str, tmp_path: Path, context) -> None:
    assert kills(context, name, tmp_path, LONG) >= LONG // 2
