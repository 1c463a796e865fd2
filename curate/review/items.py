"""What there is to decide: every flag raised on a version's films, by flag and score, with the film it points at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from curate.decisions import UNDECIDED, Decision, Decisions, now, record
from curate.errors import UsageError
from curate.flagged import Raised, raised_flags
from curate.manifest import SampleRow, Version

PAIRED = ("duplicate", "near-duplicate")
"""Flags that speak of a second film."""


@dataclass(frozen=True)
class Item:
    """One flag on one film.

    Attributes:
        row: the film. raised: the flag and what was decided. partner: id of the film that the flag compares it with.
    """

    row: SampleRow
    raised: Raised
    partner: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """What the page needs to know of it, beside its film."""
        flag, decision, stale = self.raised.flag.to_dict(), self.raised.decision, self.raised.stale
        return {
            **{key: flag[key] for key in ("name", "score", "threshold", "where", "why")},
            "outcome": self.raised.outcome,
            "by": None if decision is None else decision.by,
            "at": None if decision is None else decision.at,
            "stale": None if stale is None else f"{stale.outcome} by {stale.by}, {stale.at}",
        }


def review_items(version: Version, names: Sequence[str] = ()) -> list[Item]:
    """Flags of a version in the order of review: as the registry lists the flags, then the highest score first.

    Args:
        names: only these flags.

    Raises:
        UsageError: a name that is no flag, or a version on which no flag was raised.
    """
    from curate.flags.registry import FLAGS  # brings in every detector
    from curate.flags.words import flags_meant

    names = flags_meant(names, tuple)
    order = {name: k for k, name in enumerate(FLAGS)}
    found = [one for one in raised_flags(version) if not names or one.flag.name in names]
    if not found:
        what = f"no flag of {', '.join(names)}" if names else "no flag"
        raise UsageError(version.name, f"has {what} to look at; `curate flag-outliers {version.name}` looks for some")
    found.sort(key=lambda one: (order.get(one.flag.name, len(order)), one.flag.name, -one.flag.score, one.id))
    twins = _Twins(version)
    return [Item(version.by_id[one.id], one, twins.partner(one)) for one in found]


class _Twins:
    """The films that pairs are made of, by pixels and by path."""

    def __init__(self, version: Version):
        self.by_id = version.by_id
        self.by_image = {row.image: row.id for row in version.samples if row.image}
        self.first: dict[str, str] = {}
        for row in version.samples:
            if row.pixels is not None and row.is_original:
                self.first.setdefault(row.pixels, row.id)

    def partner(self, one: Raised) -> str | None:
        """The other film: that with the same pixels, or the one that the detector named."""
        if one.flag.name not in PAIRED:
            return None
        same = self.first.get(self.by_id[one.id].pixels or "")
        if one.flag.name == "duplicate" and same not in (None, one.id):
            return same
        return self.by_image.get(one.partner)


def refreshed(items: Sequence[Item], decisions: Decisions) -> list[Item]:
    """The same items with what people have said since."""
    fresh = []
    for item in items:
        one = item.raised
        standing, stale = decisions.on(one.id, one.flag.name, item.row.digest, one.detector)
        fresh.append(replace(item, raised=replace(one, decision=standing, stale=stale)))
    return fresh


def decide(version: Version, item: Item, outcome: str, by: str) -> Item:
    """Write a decision down and give the item as it stands then; on an error nothing is decided.

    Args:
        outcome: of ``curate.decisions.OUTCOMES``; "undecided" takes a decision back.

    Raises:
        CarpusError: the decision could not be written.
    """
    one = item.raised
    decision = Decision(one.id, item.row.digest, one.flag.name, one.detector, outcome, by, now())
    record(version.root, decision)
    standing = None if outcome == UNDECIDED else decision
    return replace(item, raised=replace(one, decision=standing, stale=None))
