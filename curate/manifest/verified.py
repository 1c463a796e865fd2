"""What an interrupted verification had found good, so that the next one need not hash it again."""

from __future__ import annotations

import contextlib
from typing import IO

from curate.files import digest_file
from curate.manifest.head import TABLES
from curate.manifest.row import SampleRow
from curate.manifest.store import Manifest


class Verified:
    """Samples found good, one line each, under the digest of the head that they were checked against.

    Args:
        resume: believe what an interrupted run over this very head had found; else begin anew.

    A data set that cannot be written to is verified all the same, without a journal.
    """

    def __init__(self, manifest: Manifest, resume: bool):
        self.path = manifest.root / TABLES / ".verified"
        self._good: set[str] = set()
        head = digest_file(manifest.path)
        if resume:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                first, *lines = self.path.read_text(encoding="utf-8").split("\n")
                if first == head:
                    self._good = set(lines[:-1])  # the last may be cut off
        self._stream: IO[str] | None = None
        with contextlib.suppress(OSError):
            self._stream = open(self.path, "a" if self._good else "w", encoding="utf-8")  # noqa: SIM115 - until close
            if not self._good:
                self._stream.write(head + "\n")

    @staticmethod
    def _key(row: SampleRow) -> str:
        return f"{row.digest} {row.file} {row.label_file} {row.pixels}"

    def holds(self, row: SampleRow) -> bool:
        """Whether the run before had found this sample's very bytes good."""
        return self._key(row) in self._good

    def note(self, row: SampleRow) -> None:
        """This sample is good; on disk at once, since an interruption asks nobody."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.write(self._key(row) + "\n")
                self._stream.flush()

    def __enter__(self) -> Verified:
        return self

    def __exit__(self, fault: object, *_: object) -> None:
        """A verification that ran to its end leaves nothing to resume."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
                if fault is None:
                    self.path.unlink()
