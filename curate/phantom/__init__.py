"""Simulated hand radiographs with known truth: see ``docs/phantom.md``."""

from __future__ import annotations

from .film import Film, make_film
from .write import write_phantom

__all__ = ["Film", "make_film", "write_phantom"]
