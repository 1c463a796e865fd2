"""Which samples become parents."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from curate.errors import UsageError
from curate.flagged import flags_by_sample, flags_named
from curate.manifest import EVALUATION_ONLY, SampleRow, Version
from curate.sample.read import SampleReader

_COMPARE = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Selection:
    """What a parent must be; every condition must hold.

    Attributes:
        flags: has at least one of these flags or tags. without_flags: has none of these.
        classes: has a label of every one of these.
        groups: is of one of these patients.
        where: conditions on metadata, such as ``age>=40`` or ``sex=female`` or ``side=left``.
        from_derived: children may be parents too.
    """

    flags: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    from_derived: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Only what was asked for, as plain data for a version's step."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items() if v}


def _condition(text: str):
    match = re.fullmatch(r"\s*([A-Za-z_]+)\s*(!=|>=|<=|=|>|<)\s*(.+?)\s*", text)
    if match is None:
        raise UsageError("--where", f"{text!r} is not KEY=VALUE, KEY!=VALUE or KEY>=NUMBER")
    key, sign, value = match.groups()
    try:
        wanted: Any = float(value)
    except ValueError:
        if sign not in ("=", "!="):
            raise UsageError("--where", f"{text!r} compares with something that is not a number") from None
        wanted = value
    return key, _COMPARE[sign], wanted


def _fits(row: SampleRow, condition) -> bool:
    key, compare, wanted = condition
    facts = {"side": row.side, "width": row.width, "height": row.height, "group": row.group, **row.meta}
    value = facts.get(key)
    if value is None:
        return False
    if isinstance(wanted, float):
        return isinstance(value, int | float) and compare(float(value), wanted)
    return compare(str(value), wanted)


class _Marks:
    """Flags and tags of samples, a child's being its ancestors' as well; reads what detectors said only when asked."""

    def __init__(self, version: Version, asked: Sequence[str], warn: Callable[[str], None]):
        self._known = version.known
        self._flags: Mapping[str, tuple[str, ...]] = {}
        if not asked:
            return
        tags = {tag for row in version.samples for tag in row.tags}
        self._flags = flags_by_sample(version)
        unjudged = sum(r.is_original and r.id not in self._flags for r in version.samples)
        if unjudged and not tags.issuperset(asked):
            warn(f"no detector has looked at {unjudged} films, so they count as not flagged: `curate flag-outliers`")

    def __call__(self, row: SampleRow) -> set[str]:
        inherited = (self(self._known[p]) for p in row.parents if p in self._known)
        return {*row.tags, *self._flags.get(row.id, ())}.union(*inherited)


def select_parents(
    version: Version, selection: Selection, reader: SampleReader, warn: Callable[[str], None] = lambda text: None
) -> tuple[SampleRow, ...]:
    """The samples that may be drawn as parents: labelled, of a training fold, not dropped, and as selected.

    Originals only, unless the selection says otherwise. Sorted by id.

    Raises:
        UsageError: no sample is left, saying which condition left none; or a class, flag or tag that isn't there.
    """
    for name in selection.classes:
        if name not in version.classes:
            raise UsageError("--classes", f"{name} is no class of this data set: {', '.join(version.classes)}")
    conditions = [_condition(text) for text in selection.where]
    wanted, unwanted = flags_named(version, selection.flags), flags_named(version, selection.without_flags)
    marks = _Marks(version, (*wanted, *unwanted), warn)
    steps: Sequence[tuple[str, Any]] = (
        ("is labelled and in a training fold", lambda r: r.labelled and r.fold is not None),
        ("is kept for training", lambda r: EVALUATION_ONLY not in r.tags),
        ("is an original", lambda r: selection.from_derived or r.is_original),
        (f"is flagged {' or '.join(wanted)}", lambda r: not wanted or marks(r) & {*wanted}),
        ("is free of those flags", lambda r: not marks(r) & {*unwanted}),
        ("is of those groups", lambda r: not selection.groups or r.group in selection.groups),
        ("meets --where", lambda r: all(_fits(r, c) for c in conditions)),
        (
            f"has {' and '.join(selection.classes)}",
            lambda r: not selection.classes
            or {*selection.classes} <= {a.label for a in reader.annotations(r.id)},
        ),
    )
    rows: tuple[SampleRow, ...] = version.samples
    for what, test in steps:
        rows = tuple(row for row in rows if test(row))
        if not rows:
            raise UsageError(version.name, f"no sample is left to draw parents from: none that {what}")
    return rows
