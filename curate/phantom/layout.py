"""The names, folders and tables of the competition's data sets, with their quirks."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openpyxl

from .patient import Patient, draw_patient

_HEADERS = ("ID", "나이", "성별", "체중(몸무게)", "키(신장)", None)
_SEX = {"M": ("남", "_x0008_남", "남 "), "F": ("여", "_x0008_여", "여 ")}
_NAIL_ART = "네일아트"
_FIRST_STAMP, _LAST_STAMP = 1_661_000_000_000, 1_667_000_000_000
_EPOCH = "2022-08-22T09:00:00Z"


@dataclass(frozen=True)
class Name:
    """Where a film lies: ``folder`` "ID007", ``stem`` "image1661144206667" with or without "_R" or "_L"."""

    folder: str
    stem: str

    @property
    def sample(self) -> str:
        """The film's id in the manifest: "ID007/image1661144206667"."""
        return f"{self.folder}/{self.stem}"


def patient_ids(seed: int, count: int) -> list[int]:
    """Rising patient numbers with gaps; more patients only add to the end."""
    ids, last = [], 0
    for number in range(count):
        last += int(np.random.default_rng([seed, number, 8]).choice([1, 1, 1, 2, 3]))
        ids.append(last)
    return ids


def film_name(seed: int, number: int, folder: int) -> Name:
    """A name that does not tell the side, but for the few that say so."""
    patient, hand = divmod(number, 2)
    rng = np.random.default_rng([seed, patient, hand, 9])
    # the last three digits differ within any thousand films, so no two films share a name
    stamp = int(rng.integers(_FIRST_STAMP // 1000, _LAST_STAMP // 1000)) * 1000 + number * 617 % 1000
    suffix = ("_L" if hand else "_R") if rng.random() < 0.12 else ""
    return Name(f"ID{folder:03d}", f"image{stamp}{suffix}")


def write_metadata(path: Path, patients: list[tuple[int, Patient, bool]], seed: int) -> None:
    """``meta_data.xlsx``: a row a patient, and rows of people who have no folder.

    Args:
        patients: (ID, patient, whether nail art is noted).
    """
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(_HEADERS)
    rows = [(number, patient, _NAIL_ART if nails else None) for number, patient, nails in patients]
    taken = {number for number, _, _ in patients}
    last = max(taken, default=0)
    absent = [number for number in range(1, last + 4) if number not in taken]
    rows += [(number, draw_patient(seed, 1_000_000 + number), None) for number in absent]
    for number, who, note in sorted(rows, key=lambda row: row[0]):
        junk = np.random.default_rng([seed, number, 0, 10]).choice(3, p=[0.7, 0.25, 0.05])
        sheet.append((number, who.age, _SEX[who.sex][int(junk)], who.weight, who.height, note))
    book.properties.created = datetime.datetime(2022, 8, 22, 9)
    raw = io.BytesIO()
    book.save(raw)
    path.write_bytes(_timeless(raw.getvalue()))


def _timeless(xlsx: bytes) -> bytes:
    """The same workbook without the time of writing, so that the same seed gives the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist()):
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _EPOCH.encode(), data)
            new.writestr(zipfile.ZipInfo(name, (2022, 8, 22, 9, 0, 0)), data)
    return out.getvalue()
