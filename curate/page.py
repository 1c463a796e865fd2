"""What the pages of curate share: one style sheet, and the frame of a document that needs nothing else."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from importlib import resources

_STATIC = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@lru_cache
def style() -> str:
    """The common style sheet: colours for light and dark, type, tables, charts."""
    return resources.files("curate").joinpath("page.css").read_text(encoding="utf-8")


def document(title: str, body: str, css: str = "") -> str:
    """A self-contained HTML document without scripts; nothing is loaded from outside.

    Args:
        title: plain text, escaped here. body: HTML, whose text the caller has escaped. css: beside the common sheet.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_STATIC}">\n'
        f"<title>{escape(title)}</title>\n<style>{style()}{css}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
