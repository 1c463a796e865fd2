"""Groups of classes that a report adds up, by kind of data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curate.errors import UsageError
from curate.presets import CARPALS, FINGERTIPS, FOREARM

#: Kind of data set -> group -> classes. A table is used when the runs have every class it names; others have no groups.
TABLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "hand": {"fingertips": FINGERTIPS, "carpals": CARPALS, "forearm": FOREARM},
}


def groups_of(classes: Sequence[str], groups: Mapping[str, Sequence[str]] | None = None) -> dict[str, tuple[str, ...]]:
    """The groups of a list of classes: those given, else those of the first table that fits, else none.

    Raises:
        UsageError: a given group is empty or names a class that is not there.
    """
    if groups is None:
        for table in TABLES.values():
            if set(classes) >= {c for members in table.values() for c in members}:
                return dict(table)
        return {}
    for name, members in groups.items():
        unknown = sorted(set(members) - set(classes))
        if unknown or not members:
            raise UsageError(f"group {name}", f"no such class: {', '.join(unknown)}" if unknown else "has no class")
    return {name: tuple(members) for name, members in groups.items()}
