"""Files that no version needs: listed, and removed only when asked."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import Any

from curate.errors import CarpusError
from curate.manifest import Manifest
from curate.manifest.commit import writing
from curate.manifest.head import PENDING, TABLES
from curate.manifest.orphans import OWNED, find_orphans


@dataclass
class Garbage:
    """What no version needs.

    Attributes:
        files: (path relative to the manifest, bytes). removed: whether they are gone now.
        pending: versions that an interrupted command was making: their files are kept for its next try.
    """

    files: list[tuple[str, int]]
    removed: bool = False
    pending: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(n for _, n in self.files)

    def to_dict(self) -> dict[str, Any]:
        files = [{"path": p, "bytes": n} for p, n in self.files]
        return {"files": files, "bytes": self.size, "removed": self.removed, "pending": self.pending}


def collect(manifest: Manifest, remove: bool = False, pending_too: bool = False) -> Garbage:
    """Find what no version of the manifest names in the folders that carpus owns; originals are never looked at.

    Args:
        remove: delete it. pending_too: also what interrupted commands had finished and could resume from.

    Raises:
        CarpusError: a table that cannot be read (then nothing is removed), or a file that cannot be deleted.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        journals = sorted((manifest.root / TABLES / PENDING).glob("*.jsonl"))
        pending = sorted({p.stem.rpartition("-")[0] for p in journals})
        kept = () if pending_too else tuple(f"{o}/{name}/" for name in pending for o in ("derived", f"{TABLES}/labels"))
        paths = [p for p in find_orphans(manifest) if not p.startswith(kept)] if kept else find_orphans(manifest)
        if pending_too:
            paths += [p.relative_to(manifest.root).as_posix() for p in journals]
        garbage = Garbage([(p, (manifest.root / p).lstat().st_size) for p in paths], pending=pending)
        if remove:
            for path, _ in garbage.files:
                try:
                    (manifest.root / path).unlink()
                except OSError as error:
                    raise CarpusError(path, f"cannot be deleted: {error.strerror or error}") from None
            for owned in OWNED:
                for folder, _, _ in os.walk(manifest.root / owned, topdown=False):
                    with contextlib.suppress(OSError):  # only empty ones go
                        os.rmdir(folder)
            garbage.removed = True
    return garbage
