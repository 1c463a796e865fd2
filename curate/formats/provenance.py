"""Where imported labels came from: noted in the label file that carpus wrote, so that the source can be checked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson

from curate.files import digest_file

KEY = "source"


def digest_source(path: Path) -> str:
    """The digest of a file's bytes, or of the names and bytes of all files in a folder of masks."""
    if not path.is_dir():
        return digest_file(path)
    state = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        state.update(f"{file.relative_to(path).as_posix()}\n{digest_file(file)}\n".encode())
    return "sha256:" + state.hexdigest()


def source_of(data: bytes) -> tuple[str, str] | None:
    """(path relative to the manifest, digest of its bytes) of the file that a label file was imported from.

    ``None`` for a label file that is itself the original.
    """
    about = orjson.loads(data).get("attributes")
    source = about.get(KEY) if isinstance(about, dict) else None
    if not isinstance(source, dict) or not {"file", "digest"} <= source.keys():
        return None
    return str(source["file"]), str(source["digest"])
