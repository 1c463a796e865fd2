"""Each write, fsync, rename and open of each writing command fails in turn; the manifest is the old or the new one."""

from __future__ import annotations

import errno
import shutil
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest

from curate.manifest import Manifest
from curate.manifest.head import NAME
from curate.verify import verify
from tests.faults.layer import Disk, under
from tests.faults.small import COMMANDS, Command, contents, prepare

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EACCES)
SAMPLED = 16
"""Operations of each command that fail in the short form; every one, with every errno, in the long form."""


def disturbed(command: Command, before: Path, after: dict[str, bytes], work: Path, disk: Disk) -> None:
    """Run once with the fault and once without, and check what each promises."""
    with under(disk):
        code, said = command.run(work)
    if len(disk.seen) <= disk.fail_at:
        return
    where = f"{disk.seen[disk.fail_at]} failed with errno {disk.fault}"
    assert "Traceback" not in said, where
    assert code in (0, 1, 2), where
    if command.name == "init" and code == 2 and disk.seen[disk.fail_at][0] == "read" and (work / NAME).exists():
        assert verify(Manifest.open(work).version()) == []
        return  # a film that can't be read is refused by name, and v1 is made of the others
    head = (work / NAME).read_bytes() if (work / NAME).exists() else None
    old = (before / NAME).read_bytes() if (before / NAME).exists() else None
    assert head in (old, after[NAME]), where
    now, then = contents(work), contents(before) if head == old else after
    assert {k: now.get(k) for k in then} == then, where
    if code == 0:
        assert now == after, where
    else:
        assert orjson.loads(said.splitlines()[-1])["detail"], (where, said)
    if command.name == "init" and head is not None:
        return  # a manifest is there: init does not write over it
    with under(Disk(work)):
        code, said = command.run(work)
    assert code == 0, (where, said)
    assert contents(work) == after, where


def counted(command: Command, folder: Path) -> tuple[Path, dict[str, bytes], int]:
    """The data set before a command, its files after an undisturbed run, and how many operations that took."""
    before = prepare(command, folder / "before/data")
    undisturbed = shutil.copytree(before, folder / "undisturbed/data")
    with under(Disk(undisturbed)) as disk:
        code, said = command.run(undisturbed)
    assert code == 0, said
    assert verify(Manifest.open(undisturbed).version()) == []
    return before, contents(undisturbed), len(disk.seen)


def fail_at(command: Command, folder: Path, before: Path, after: dict[str, bytes], k: int, fault: int) -> None:
    work = shutil.copytree(before, folder / "work/data")
    disturbed(command, before, after, work, Disk(work, k, fault, lasting=fault == errno.ENOSPC))
    shutil.rmtree(work.parent)


@pytest.mark.parametrize("name", COMMANDS)
def test_operations_fail_in_turn(name: str, tmp_path: Path) -> None:
    before, after, total = counted(COMMANDS[name], tmp_path)
    for turn, k in enumerate(sorted(np.random.default_rng(zlib.crc32(name.encode())).permutation(total)[:SAMPLED])):
        fail_at(COMMANDS[name], tmp_path, before, after, int(k), ERRNOS[turn % 3])


@pytest.mark.long
@pytest.mark.parametrize("fault", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_operation_fails_in_turn(name: str, fault: int, tmp_path: Path) -> None:
    before, after, total = counted(COMMANDS[name], tmp_path)
    for k in range(total):
        fail_at(COMMANDS[name], tmp_path, before, after, k, fault)
