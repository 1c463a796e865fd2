"""Tags and notes: other names of versions, and why they exist, in their author's words. Versions stay as they are."""

from __future__ import annotations

import copy

from curate.errors import UsageError
from curate.files import write_atomically
from curate.manifest import Manifest
from curate.manifest.commit import writing
from curate.manifest.head import NAMED, head_bytes

MAX_NOTE = 10_000


def tag(manifest: Manifest, name: str, version: str | None = None, remove: bool = False) -> Manifest:
    """Give a version another name by which every command finds it, or take that name away.

    Raises:
        UsageError: not a name, a version's own name, another version's tag, or no such tag to remove.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        head = copy.deepcopy(manifest.head)
        tags = head.setdefault("tags", {})
        if remove:
            if tags.pop(name, None) is None:
                raise UsageError(name, "is no tag; `curate log` lists them")
        else:
            if not NAMED.fullmatch(name) or name in head["versions"]:
                raise UsageError(name, "cannot be a tag: letters, digits, dot, dash; and not a version's own name")
            target = manifest.version(version).name
            if tags.get(name, target) != target:
                raise UsageError(name, f"is a tag of {tags[name]} already; remove it first")
            tags[name] = target
        return _written(manifest, head)


def note(manifest: Manifest, version: str, text: str) -> Manifest:
    """Say why a version exists; an empty text takes the note away.

    Raises:
        UsageError: no such version, or a text of more than ``MAX_NOTE`` characters.
    """
    with writing(manifest.root):
        manifest = Manifest.open(manifest.path)
        head = copy.deepcopy(manifest.head)
        notes = head.setdefault("notes", {})
        name = manifest.version(version).name
        if len(text) > MAX_NOTE:
            raise UsageError("note", f"has {len(text)} characters, more than {MAX_NOTE}")
        notes.pop(name, None)
        if text.strip():
            notes[name] = text.strip()
        return _written(manifest, head)


def _written(manifest: Manifest, head: dict) -> Manifest:
    head = {k: v for k, v in head.items() if v or k not in ("tags", "notes")}
    if head != manifest.head:
        write_atomically(manifest.path, head_bytes(head), durable=True)
    return Manifest.open(manifest.path)
