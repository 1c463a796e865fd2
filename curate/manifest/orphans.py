"""Files in the folders that carpus owns which no version names."""

from __future__ import annotations

import os
from pathlib import Path

from curate.manifest.head import NAME, PENDING, TABLES
from curate.manifest.store import Manifest

OWNED = (TABLES, "derived")
"""Folders that only carpus writes to; nothing outside them is ever called an orphan."""

KEPT = (".lock", ".lock.holder", ".verified", "flags.jsonl", "flags.journal.jsonl")
KEPT_FOLDERS = ("flags", "review", PENDING)
"""Beside the versions: locks, what detectors and reviewers said, and what interrupted commands had finished."""


def needed_files(manifest: Manifest) -> set[str]:
    """Every file that the head, a split or a row of any version names, relative to the manifest."""
    needed = {NAME}
    needed.update(split["file"] for split in manifest.head["splits"].values())
    for version in manifest.versions():
        needed.add(version.entry["table"]["file"])
        table = version.own_table(["image", "labels"])
        for column in ("image", "labels"):
            needed.update(p for p in table[column].to_pylist() if p is not None)
    return needed


def find_orphans(manifest: Manifest) -> list[str]:
    """Files that no version needs, sorted, relative to the manifest."""
    needed = needed_files(manifest)
    found = []
    for owned in OWNED:
        for folder, folders, files in os.walk(manifest.root / owned):
            here = Path(folder).relative_to(manifest.root)
            if here == Path(TABLES):
                folders[:] = [f for f in folders if f not in KEPT_FOLDERS]
                files = [f for f in files if f not in KEPT]
            found += [p for p in ((here / f).as_posix() for f in files) if p not in needed]
    return sorted(found)
