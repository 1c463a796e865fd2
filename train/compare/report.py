"""Writing the report's files, and printing its table."""

from __future__ import annotations

from pathlib import Path

import orjson

from curate.errors import CarpusError
from curate.files import write_atomically
from curate.manifest.store import Manifest
from train.compare.page import page
from train.compare.result import Comparison
from train.compare.source import FilmSource
from train.compare.text import markdown, table_csv


def write_report(comparison: Comparison, out: Path) -> Path:
    """Write ``report.html``, ``report.json``, ``report.csv`` and ``report.md`` into a folder; returns the page.

    Same comparison, same bytes: nothing of the clock or of the machine goes in.

    Raises:
        CarpusError: the folder cannot be written.
    """
    out = Path(out)
    source = None
    if comparison.manifest is not None:
        try:
            source = FilmSource(Manifest.find(comparison.manifest).version(comparison.b.facts["version"]))
        except CarpusError:
            source = None  # it went away since the comparison; the page says where films should have been
    write_atomically(out / "report.json", json_of(comparison))
    write_atomically(out / "report.csv", table_csv(comparison).encode())
    write_atomically(out / "report.md", markdown(comparison).encode())
    write_atomically(out / "report.html", page(comparison, source).encode())
    return out / "report.html"


def json_of(comparison: Comparison) -> bytes:
    """The JSON report, indented."""
    return orjson.dumps(comparison.to_dict(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
