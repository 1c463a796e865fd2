"""Patients' data from a spreadsheet: Korean or English headers, junk characters in cells, more rows than patients."""

from __future__ import annotations

import contextlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from curate.errors import CarpusError
from curate.sample.image import read_bytes

_COLUMNS = {
    "id": "id",
    "나이": "age",
    "age": "age",
    "성별": "sex",
    "sex": "sex",
    "gender": "sex",
    "체중": "weight",
    "weight": "weight",
    "키": "height",
    "height": "height",
}
_SEX = {"남": "male", "남자": "male", "m": "male", "male": "male", "여": "female", "여자": "female", "f": "female",
        "female": "female"}
_FAULTS = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, NotImplementedError,
           RuntimeError, SyntaxError, zipfile.BadZipFile, zlib.error)
"""What openpyxl lets through on a broken file: its own errors and those of zip, deflate and XML (a SyntaxError)."""
_JUNK = re.compile(r"_x[0-9A-Fa-f]{4}_|[\x00-\x1f\x7f]")


def clean(value: Any) -> Any:
    """A cell without escaped or raw control characters and outer blanks; an empty one is ``None``."""
    if isinstance(value, str):
        value = _JUNK.sub("", value).strip()
        return value or None
    return value


def _column(header: Any) -> str | None:
    text = clean(header)
    if not isinstance(text, str):
        return "note"
    name = re.split(r"[(\[\uff08]", text)[0].strip().lower()
    return _COLUMNS.get(name)


def _number(value: Any) -> float | int | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if number != number or abs(number) == float("inf"):
        return None
    return int(number) if number.is_integer() else number


def patient_number(group: str) -> int | None:
    """The number in a patient folder's name: ``ID003`` is 3."""
    digits = re.search(r"(\d+)\s*$", group)
    return int(digits.group(1)) if digits else None


MAX_BYTES = 256 << 20
"""A workbook may unpack to no more."""

MAX_COLUMNS, MAX_ROWS = 64, 200_000


def _rows(path: Path) -> Iterator[list]:
    """The rows of the first sheet, one at a time, so that a sheet of a million empty rows takes no memory."""
    import openpyxl  # slow to import; needed once

    data = read_bytes(path)
    try:
        with zipfile.ZipFile(BytesIO(data)) as packed:
            if sum(member.file_size for member in packed.infolist()) > MAX_BYTES:
                raise CarpusError(path, f"unpacks to more than {MAX_BYTES} bytes")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and sheets that it passes over; rows are judged one by one
            book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
        with contextlib.closing(book):
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # a sheet may claim any
            for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS)):
                if number > MAX_ROWS:
                    raise CarpusError(path, f"has more than {MAX_ROWS} rows")
                yield list(row)
    except _FAULTS as error:
        raise CarpusError(path, f"is not a spreadsheet that can be read: {error}"[:400]) from None


def read_meta(path: Path) -> dict[int, dict[str, Any]]:
    """Patient number -> {age, sex, weight, height, note}, each only where known.

    Raises:
        CarpusError: not a spreadsheet, no ID column, or a patient given twice with different data.
    """
    rows = _rows(path)
    header = [_column(h) for h in next(rows, [])]
    if "id" not in header:
        raise CarpusError(path, "has no ID column")
    patients: dict[int, dict[str, Any]] = {}
    for number, row in enumerate(rows, start=2):
        cells: dict[str, Any] = {}
        for name, value in zip(header, row, strict=False):
            if name and (value := clean(value)) is not None:
                cells.setdefault(name, value)
        key = _number(cells.pop("id", None))
        if key is None:
            continue
        facts: dict[str, Any] = {}
        for name in ("age", "weight", "height"):
            if (value := _number(cells.get(name))) is not None:
                facts[name] = value
        if (sex := _SEX.get(str(cells.get("sex") or "").lower())) is not None:
            facts["sex"] = sex
        if cells.get("note") is not None:
            facts["note"] = str(cells["note"])
        if patients.setdefault(int(key), facts) != facts:
            raise CarpusError(path, f"row {number}: patient {int(key)} is given twice with different data")
    return patients
