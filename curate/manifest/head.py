"""``data_manifest.yaml``: the short, readable head that names every version and the digests of its tables."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from curate.errors import ManifestError
from curate.files import digest_bytes
from curate.yaml import dump_yaml, load_yaml

NAME = "data_manifest.yaml"
TABLES = "data_manifest"
NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a version, a split or a tag may be called."""
PENDING = ".pending"
"""Folder in ``TABLES`` of what interrupted commands had finished, one journal a version that is not named yet."""


@lru_cache
def _validator():
    import jsonschema  # takes a tenth of a second: only where a head is read

    text = resources.files("curate").joinpath("schema/data_manifest.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def find_manifest(start: Path | None = None) -> Path:
    """The manifest of the current folder or the nearest parent that has one, or the one given.

    Args:
        start: a manifest file, or a folder to begin at.

    Raises:
        ManifestError: there is none.
    """
    if start is not None and start.is_file():
        return start
    folder = (start or Path()).absolute()
    if start is not None:  # an explicit place is meant as given
        if (folder / NAME).is_file():
            return folder / NAME
        raise ManifestError(folder, f"has no {NAME}; `curate init` makes one")
    for place in (folder, *folder.parents):
        if (place / NAME).is_file():
            return place / NAME
    raise ManifestError(folder, f"no {NAME} here or in a folder above; `curate init` makes one")


def read_head(path: Path) -> dict[str, Any]:
    """Read and validate a head.

    Raises:
        ManifestError: unreadable, not YAML, not according to the schema, or a version whose parent or split is missing.
    """
    head = load_yaml(path, ManifestError)
    if isinstance(head, dict):
        head.pop("seal", None)  # of these very bytes: `seal_fault` checks it, the next writer makes another
    problem = next(iter(sorted(_validator().iter_errors(head), key=lambda e: list(map(str, e.path)))), None)
    if problem is not None:
        where = "/".join(map(str, problem.path)) or "top level"
        raise ManifestError(path, f"{where}: {problem.message[:200]}")
    seen: set[str] = set()
    for name, version in head["versions"].items():
        if version["parent"] is not None and version["parent"] not in seen:
            raise ManifestError(path, f"{name}: its parent {version['parent']} does not come before it")
        if version["split"] not in head["splits"]:
            raise ManifestError(path, f"{name}: its split {version['split']} is not in the manifest")
        seen.add(name)
    return head


def head_bytes(head: dict[str, Any]) -> bytes:
    """A head as YAML, validated first, so that nothing unreadable is ever written; its last line seals the others."""
    problem = next(iter(_validator().iter_errors(head)), None)
    if problem is not None:
        raise ManifestError(NAME, f"would not be valid: {problem.message[:200]}")
    data = dump_yaml(head)
    return data + _SEAL + digest_bytes(data).encode() + b"\n"


_SEAL = b"seal: "


def seal_fault(path: Path) -> str | None:
    """What is wrong with a head's seal, or ``None``: a single bit that changed since it was written breaks it.

    Reading does not ask for it, so that a head that was merged or mended by hand can still be used; verifying does.
    """
    data = path.read_bytes().replace(b"\r\n", b"\n")
    text, mark, seal = data.rpartition(b"\n" + _SEAL)
    if not mark:
        return "has no seal on its last line: it was cut off or written by hand"
    if seal != digest_bytes(text + b"\n").encode() + b"\n":
        return "does not match its seal: it was changed or damaged since it was written"
    return None
