"""Where imported labels came from: noted in the label file that carpus wrote, so that the source can be checked."""

from __future__ import annotations

import orjson

KEY = "source"


def source_of(data: bytes) -> tuple[str, str] | None:
    """(path relative to the manifest, digest of its bytes) of the file that a label file was imported from.

    ``None`` for a label file that is itself the original.
    """
    document = orjson.loads(data)
    source = (document.get("attributes") or {}).get(KEY) if isinstance(document.get("attributes"), dict) else None
    if not isinstance(source, dict) or not {"file", "digest"} <= source.keys():
        return None
    return str(source["file"]), str(source["digest"])
