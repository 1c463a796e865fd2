"""Which marked film belongs to which half: shared by training and benchmark, without torch."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.flags.marks import Marked, load_marked, split_half


def halves_of(data: Path, work: int = 640) -> tuple[list[Marked], dict[str, dict[str, str]], dict[str, int]]:
    """The marked films, the rows of their tags by name, and the half of each."""
    tables = [(data / name).read_text().splitlines() for name in ("tags.csv", "plain.csv")]
    rows = {row["file"]: row for table in tables for row in csv.DictReader(table)}
    films = load_marked(data, work)
    return films, rows, split_half(films, {name: row["study"] for name, row in rows.items()})
