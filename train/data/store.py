"""Files keyed by a sample's digest: written whole, mapped when they are read."""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from curate.errors import CarpusError

T = TypeVar("T")


class DigestStore:
    """A folder of films for one list of classes.

    Args:
        folder: where to keep them; below it, one folder a ``kind`` and list of classes.
        kind: tells apart films of another size or format. classes: names in the order of the bits.
    """

    def __init__(self, folder: Path, kind: str, classes: Sequence[str]):
        names = hashlib.sha256("\n".join(classes).encode()).hexdigest()[:8]
        self.folder, self.classes = Path(folder) / f"{kind}-{names}", tuple(classes)

    def path(self, digest: str) -> Path:
        """The file of the sample with this digest."""
        name = digest.rpartition(":")[2]
        return self.folder / name[:2] / f"{name}.film"

    def __contains__(self, digest: str) -> bool:
        return self.path(digest).is_file()

    def write(self, digest: str, data: bytes) -> None:
        """Store a film, whole or not at all.

        Raises:
            CarpusError: it cannot be written.
        """
        path = self.path(digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                os.replace(part, path)
            except BaseException:
                os.unlink(part)
                raise
        except OSError as error:
            raise CarpusError(self.folder, f"a decoded film cannot be kept: {error.strerror}") from error

    def read(self, digest: str, unpack: Callable[[mmap.mmap], T]) -> T:
        """A stored film, mapped rather than read.

        Args:
            unpack: makes the film of its bytes; ``ValueError`` when they are not those of one.

        Raises:
            CarpusError: it is not there or damaged.
        """
        path = self.path(digest)
        try:
            with open(path, "rb") as stream:
                return unpack(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise CarpusError(path, f"a decoded film is gone: {error.strerror}; train again to restore it") from error
        except ValueError as error:
            raise CarpusError(path, f"a decoded film is damaged ({error}); delete it and train again") from error
