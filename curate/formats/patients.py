"""Who is on which picture: a table beside every export, since most formats have no place for a patient.

It is read back when the folder is imported, so that a film keeps its patient. A picture made from several patients'
films (``A+B``) ties these together: read back as originals, they must not be parted by a split.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from curate.errors import LabelError
from curate.formats.competition import Found
from curate.sample.image import read_bytes

NAME = "patients.csv"
COLUMNS = ("image", "patient", "fold", "split", "tags")


def table_bytes(rows: Iterable[Sequence[str]]) -> bytes:
    """The table: image (relative to the folder), patient, fold (empty for test), split, tags parted by blanks."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def read_table(root: Path) -> dict[str, str]:
    """Image -> patient, of a folder that carpus exported; empty where there is no such table.

    Raises:
        LabelError: a table of this name and these columns that is damaged.
    """
    path = root / NAME
    if not path.is_file():
        return {}
    try:
        lines = csv.reader(io.StringIO(read_bytes(path).decode("utf-8"), newline=""))
        if tuple(next(lines, ())) != COLUMNS:
            return {}  # somebody else's
        return {image: patient for image, patient, *_ in lines if patient}
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise LabelError(path, f"is not a table of patients: {error}") from None


def with_patients(found: Sequence[Found], root: Path, told: Mapping[str, str]) -> list[Found]:
    """Films with the patient that the table names, and patients tied by a picture of several as one."""
    named = []
    for film in found:
        inside = film.image.is_relative_to(root)
        patient = told.get(film.image.relative_to(root).as_posix()) if inside else None
        named.append(film if patient is None else replace(film, group=patient))
    tied = _tied({f.group for f in named})
    return [replace(f, group=tied.get(f.group, f.group)) for f in named]


def _tied(groups: set[str]) -> dict[str, str]:
    """Group -> its name, for groups that share a patient: ``A+B``, ``A`` and ``B`` are one, called ``A+B``."""
    head: dict[str, str] = {}

    def top(name: str) -> str:
        while head.setdefault(name, name) != name:
            head[name] = head[head[name]]
            name = head[name]
        return name

    for group in sorted(groups):
        for part in group.split("+"):
            one, other = sorted((top(group.split("+")[0]), top(part)))
            head[other] = one
    members: dict[str, set[str]] = {}
    for group in groups:
        members.setdefault(top(group.split("+")[0]), set()).update(group.split("+"))
    names = {first: sorted(parts) for first, parts in members.items()}
    label = {k: "+".join(v) if len(v) <= 8 else f"{v[0]}+{len(v) - 1} more" for k, v in names.items()}
    return {group: label[top(group.split("+")[0])] for group in groups}
