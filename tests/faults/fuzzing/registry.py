"""Every target by name; one module a family."""

from __future__ import annotations

from tests.faults.fuzzing import labels, layouts, pictures, tables
from tests.faults.fuzzing.target import Target


def targets() -> dict[str, Target]:
    """Name -> parser."""
    return {**labels.targets(), **layouts.targets(), **tables.targets(), **pictures.targets()}
