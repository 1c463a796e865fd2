"""Files that appear whole or not at all, digests of bytes, and paths that stay inside their root."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from curate.errors import ManifestError, WriteError


def digest_bytes(data: bytes) -> str:
    """``sha256:`` and the hexadecimal digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """The digest of a file's bytes; every byte is read."""
    state = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            state.update(block)
    return "sha256:" + state.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut, as well as the system can.

    The rename has happened when this is called: a folder that cannot be opened or synced takes nothing back.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_atomically(path: Path, data: bytes, durable: bool = False) -> None:
    """Write through a temporary file in the same folder and one rename.

    Args:
        durable: also wait for the disk; for the files on which a version's name depends.

    Raises:
        WriteError: the disk is full or the folder cannot be written; the old file, if any, is untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as stream:
            stream.write(data)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise WriteError(path, f"cannot be written: {error.strerror or error}") from None


def sync_files(paths: Iterable[Path]) -> None:
    """Wait until files that were renamed into their places are on the disk, and the folders that name them.

    All at once, after the last was written: the system has put most of them there by then, and the rest costs little.

    Raises:
        WriteError: the disk says that it has not kept one.
    """
    folders = set()
    for path in paths:
        try:
            handle = os.open(path, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise WriteError(path, f"cannot be written: {error.strerror or error}") from None
        folders.add(path.parent)
    for folder in sorted(folders):
        sync_folder(folder)


def sweep_temporary(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files that a killed writer left directly in a folder; only for the holder of the lock.

    Args:
        name: only those of this file.
    """
    with contextlib.suppress(OSError):
        for path in folder.glob(f".{'*' if name is None else glob.escape(name[:80])}.*.tmp"):
            path.unlink(missing_ok=True)


def sweep_below(folder: Path) -> None:
    """The same in a folder and in all below it: one that belongs to a single version, and is about to be filled."""
    for place, _, _ in os.walk(folder):
        sweep_temporary(Path(place))


def leaves(path: Path, root: Path) -> bool:
    """Whether a path, its links followed, is out of a folder. Links that go round in a circle leave nothing; they
    cannot be read either, which reading them tells."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))  # resolve() raises on a circle


def inside(root: Path, relative: str) -> Path:
    """The file that a path in a manifest means; raises when it would leave the data set's root.

    Links are followed: one that points outside the root is refused as well.
    """
    if not relative or "\0" in relative or Path(relative).is_absolute():
        raise ManifestError(relative, "is not a path inside the data set")
    path = root / relative
    if leaves(path, root):
        raise ManifestError(relative, "leaves the data set's folder")
    return path
