"""What a detector says of one film, and what all of them say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

Box = tuple[float, float, float, float]


class Finding(NamedTuple):
    """A detector's answer for one film, before its name and threshold are put to it.

    Attributes:
        score: in [0, 1].
        why: one sentence for a person, with the evidence in it.
        where: ``(x0, y0, x1, y1)`` in the film's pixels, or ``None``.
        measures: numbers worth keeping beside the flag, by name.
    """

    score: float
    why: str
    where: Box | None = None
    measures: Mapping[str, Any] = MappingProxyType({})

    def to_dict(self) -> dict[str, Any]:
        return {
            "score": rounded(self.score),
            "why": self.why,
            "where": self.where and list(self.where),
            "measures": dict(self.measures),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Finding:
        where = stored["where"]
        return cls(stored["score"], stored["why"], tuple(where) if where else None, stored["measures"])


def rounded(score: float) -> float:
    """A score as it is stored and compared: networks' last bits depend on the processor and on its threads."""
    return round(float(score), 4)


class Flag(NamedTuple):
    """A finding under a detector's name: flagged when its score reaches the threshold."""

    name: str
    score: float
    threshold: float
    where: Box | None
    why: str

    @property
    def flagged(self) -> bool:
        return self.score >= self.threshold

    def to_dict(self) -> dict[str, Any]:
        """The object of ``--json``: name, score, threshold, flagged, where, why."""
        return {
            "name": self.name,
            "score": round(float(self.score), 4),
            "threshold": self.threshold,
            "flagged": self.flagged,
            "where": None if self.where is None else [round(float(v), 1) for v in self.where],
            "why": self.why,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Flag:
        where = stored["where"]
        return cls(stored["name"], stored["score"], stored["threshold"], tuple(where) if where else None, stored["why"])


@dataclass
class FilmFlags:
    """Everything said of one film.

    Attributes:
        id: sample id, or the path below the folder. image: the path to show. digest: what the answers hold for.
        flags: one for each detector that had something to say, flagged or not, in the order of the registry.
        measures: ``fingers_deg`` (degrees clockwise from up in [0, 360), or None) and other numbers by name.
        kept: per detector, its version and what it found or measured: what a later run need not do again.
        asked: the detectors whose flags this holds; none before the judgements that need the whole set.
    """

    id: str
    image: str
    digest: str
    flags: list[Flag] = field(default_factory=list)
    measures: dict[str, Any] = field(default_factory=lambda: {"fingers_deg": None})
    kept: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    asked: tuple[str, ...] = field(default=(), repr=False)

    @property
    def flagged(self) -> tuple[str, ...]:
        """Names of the flags raised."""
        return tuple(f.name for f in self.flags if f.flagged)

    def flag(self, name: str) -> Flag | None:
        """The flag of that name, raised or not."""
        return next((f for f in self.flags if f.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """The entry of ``curate flag-outliers --json``: image, flags, measures."""
        return {"image": self.image, "flags": [f.to_dict() for f in self.flags], "measures": self.measures}
