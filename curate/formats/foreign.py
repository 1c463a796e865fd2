"""From what a format read to what enters a manifest: names, patients, tags, and the digest of each source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from curate.errors import CarpusError, ImageError, LabelError, UsageError
from curate.formats.base import SUBSETS, Item
from curate.formats.competition import Found
from curate.formats.provenance import digest_source
from curate.formats.registry import format_of


def find_foreign(
    root: Path, kind: str, images: Path | None, labels: Path | None, tag_categories: Sequence[str], group_by: str | None
) -> tuple[list[Found], list[CarpusError], tuple[str, ...], tuple[str, ...]]:
    """Every picture that a format describes, what it refused, its classes in its order, and notes on the whole.

    Args:
        tag_categories: these become tags of the sample: ``Metal Implant`` is tag ``metal-implant``.
        group_by: a regular expression over sample ids; its first group, or the whole match, is the patient.

    Raises:
        UsageError: no format of that name, no files of it, a category that is nowhere, or a bad expression.
    """
    pattern = _pattern(group_by)
    reading = format_of(kind).read(root, images, labels)
    missing = [c for c in tag_categories if c not in reading.classes]
    if missing:
        raise UsageError("--tag-categories", f"{missing[0]!r} is none of {', '.join(map(repr, reading.classes))[:400]}")
    found: dict[str, Found] = {}
    digests: dict[Path, str] = {}
    refused = list(reading.refused)
    for item in reading.items:
        item = _tagged(item, frozenset(tag_categories))
        try:
            item = _outlined(item)
        except LabelError as error:
            refused.append(error)
            continue
        if item.name in found:
            refused.append(ImageError(item.image, f"has the same name as {found[item.name].image}"))
            continue
        digest = None
        if item.source is not None:
            try:
                digest = digests.get(item.source) or digests.setdefault(item.source, digest_source(item.source))
            except OSError as error:
                refused.append(LabelError(item.source, f"cannot be read: {error.strerror or error}"))
                continue
        group = _group(item, pattern)
        found[item.name] = Found(item.name, group, item.image, None, item.delivered, item, digest, kind)
    shapes = [s for item in reading.items for s in item.shapes or ()]
    empty = {s.label for s in shapes if s.aside} - {s.label for s in shapes if s.parts}
    classes = tuple(c for c in reading.classes if c not in {*tag_categories, *empty})
    return list(found.values()), [_relative(e, root) for e in refused], classes, tuple(reading.notes)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError("--group-by", f"{text!r} is not a regular expression: {error}") from None


def _tagged(item: Item, tag_categories: frozenset[str]) -> Item:
    if item.shapes is None:
        return item
    tags = {s.label.lower().replace(" ", "-") for s in item.shapes if s.label in tag_categories}
    shapes = tuple(s for s in item.shapes if s.label not in tag_categories)
    return replace(item, shapes=shapes, tags=tuple(sorted({*item.tags, *tags})))


def _outlined(item: Item) -> Item:
    """The item with the shapes that have an outline; the others are noted, or refuse it.

    Raises:
        LabelError: names the first that must have one.
    """
    for shape in item.shapes or ():
        if shape.fault is not None:
            picture = "" if item.source is None or item.source.stem == item.image.stem else f"{item.image.name}: "
            raise LabelError(item.source, f"{picture}{shape.fault}")
    if item.shapes is None or all(s.parts for s in item.shapes):
        return item
    notes = tuple(s.aside for s in item.shapes if s.aside)
    return replace(item, shapes=tuple(s for s in item.shapes if s.parts), notes=(*item.notes, *notes))


def _group(item: Item, pattern: re.Pattern[str] | None) -> str:
    """The patient: as asked, as the file says, the picture's folder, or the picture itself."""
    if pattern is not None:
        match = pattern.search(item.name)
        if match is not None:
            return (match.group(1) if pattern.groups else match.group(0)) or item.name
    if item.group is not None and pattern is None:
        return item.group
    folder = item.name.rpartition("/")[0]
    return folder.replace("/", "_") if folder and folder.lower() not in SUBSETS else item.name.replace("/", "_")


def _relative(error: CarpusError, root: Path) -> CarpusError:
    path = Path(error.path) if error.path else None
    inside = path is not None and path.is_absolute() and path.is_relative_to(root)
    return type(error)(path.relative_to(root).as_posix(), error.detail) if inside else error
