"""Each write, fsync, rename and open of each writing command fails in turn; the manifest is the old or the new one."""

from __future__ import annotations

import errno
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import orjson
import pytest

from augment.make import make_version
from augment.plan.mosaic import Mosaic
from curate.manifest.head import NAME
from tests.faults.layer import Disk, under
from tests.faults.small import COMMANDS, WRITING, Around, Command, contents, settled, sound

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EACCES)
SAMPLED = 6
"""Operations of each command that fail in the short form; every one, with every errno, in the long form."""


def disturbed(command: Command, around: Around, work: Path, disk: Disk) -> None:
    """Run once with the fault and once without, and check what each promises."""
    with under(disk):
        code, said = command.run(work)
    if len(disk.seen) <= disk.fail_at:
        return
    where = f"{command.name}: {disk.seen[disk.fail_at]} failed with errno {disk.fault}"
    assert "Traceback" not in said, where
    assert code in (0, 1, 2), where
    head = contents(work).get(NAME)
    read = disk.seen[disk.fail_at][0] == "read"
    if code == 2 and read and head not in (around.before.get(NAME), around.after[NAME]):
        assert sound(work), where  # a film that can't be read is refused by name, and the version made of the others
        return
    if not (read and command.name == "flag"):  # that a film could not be read is among what the flags say
        settled(work, around, where)
    stays = disk.seen[disk.fail_at][0] == "unlink"  # what a disk would not remove the next run takes away
    if code == 0 and not stays and not (read and command.name == "flag"):
        assert contents(work) == around.after, where
    elif code != 0 and not (read and command.name == "flag"):
        assert orjson.loads(said.splitlines()[-1])["detail"], (where, said)
    done = command.once and around.after.items() <= contents(work).items()
    with under(Disk(work)):
        code, said = command.run(work)
    assert code == (2 if done else 0), (where, said)
    assert contents(work) == around.after, where


def fail_at(command: Command, folder: Path, around: Around, k: int, fault: int) -> None:
    work = shutil.copytree(around.place, folder / "work/data")
    disturbed(command, around, work, Disk(work, k, fault, lasting=fault == errno.ENOSPC))
    shutil.rmtree(work.parent)


@pytest.mark.parametrize("name", WRITING)
def test_operations_fail_in_turn(name: str, tmp_path: Path) -> None:
    around = Around.of(COMMANDS[name], tmp_path)
    order = np.random.default_rng(zlib.crc32(name.encode())).permutation(around.operations)
    for turn, k in enumerate(sorted(order[:SAMPLED])):
        fail_at(COMMANDS[name], tmp_path, around, int(k), ERRNOS[turn % 3])


@pytest.mark.long
@pytest.mark.parametrize("fault", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", WRITING)
def test_every_operation_fails_in_turn(name: str, fault: int, tmp_path: Path) -> None:
    around = Around.of(COMMANDS[name], tmp_path)
    for k in range(around.operations):
        fail_at(COMMANDS[name], tmp_path, around, k, fault)


def test_every_file_is_on_the_disk_before_the_version_has_its_name(version, monkeypatch) -> None:
    synced, named = set(), []
    sync, rename = os.fsync, os.replace

    def note_sync(handle: int) -> None:
        sync(handle)
        synced.add(os.fstat(handle).st_ino)

    def note_rename(source, target) -> None:
        rename(source, target)
        if os.path.basename(target) == NAME:
            named.append(set(synced))

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    child = make_version(version.manifest, Mosaic(), 3).version
    made = [r for r in child.samples if not r.is_original]
    files = [child.entry["table"]["file"], *(r.image for r in made), *(r.labels for r in made), NAME]
    assert len(made) == 3
    (at_naming,) = named
    for name in files:  # a renamed file keeps its number, and so does the head's own temporary file
        assert (child.root / name).stat().st_ino in at_naming, name
        assert (child.root / name).parent.stat().st_ino in at_naming or name == NAME
