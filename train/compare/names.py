"""What arms are called: by their version, and by their folders where that does not tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path


def tell_apart(places: Sequence[Path]) -> list[str]:
    """The shortest ends of some paths that differ: ``v1-1a2b/fold0`` and ``v3-3c4d/fold0``."""
    most = max((len(place.parts) for place in places), default=1)
    for n in range(1, most + 1):
        ends = ["/".join(part for part in place.parts[-n:] if part != place.anchor) for place in places]
        if len(set(ends)) == len(set(places)):
            return ends
    return [str(place) for place in places]


def arm_names(versions: Sequence[str | None], places: Sequence[Path]) -> list[str]:
    """A name for each arm: its version; of arms of one version, and of runs that name none, with the folder.

    Args:
        versions: as ``run.json`` says. places: the folders that were named.
    """
    ends = tell_apart(places) if len(set(places)) == len(places) else [place.name for place in places]
    known = [str(version or "") for version in versions]
    counted = Counter(known)
    return [
        name if name and counted[name] == 1 else f"{name} {end}".strip() for name, end in zip(known, ends, strict=True)
    ]
