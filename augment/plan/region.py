"""Which bones an operator is about: named regions of the hand, or classes."""

from __future__ import annotations

from collections.abc import Sequence

from curate.errors import UsageError
from curate.presets import REGIONS


def wanted_classes(region: Sequence[str], classes: Sequence[str]) -> tuple[str, ...]:
    """The classes of some regions and the classes named, each once.

    Raises:
        UsageError: a region that is not known.
    """
    for name in region:
        if name not in REGIONS:
            raise UsageError("--region", f"{name!r} is none of {', '.join(REGIONS)}")
    return tuple(dict.fromkeys([*(c for name in region for c in REGIONS[name]), *classes]))
