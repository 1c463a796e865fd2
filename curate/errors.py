"""The errors a user sees: each names the file (or the name given) and the fault."""

from __future__ import annotations

import os


class CarpusError(Exception):
    """A fault in the input, the usage or the data set, told in one line.

    Args:
        path: the file, folder, sample or option at fault; ``None`` when there is none to name.
        detail: what is wrong with it, and where it helps, what to do.
    """

    exit_code = 2

    def __init__(self, path: str | os.PathLike | None, detail: str):
        self.path = None if path is None else os.fspath(path)
        self.detail = detail if detail.isprintable() else " ".join(detail.split())  # libraries may use several lines
        super().__init__(f"{self.path}: {self.detail}" if self.path else self.detail)

    def __reduce__(self):  # crosses process borders with its fields, not with its formatted text
        return type(self), (self.path, self.detail)

    def to_dict(self) -> dict:
        """The object that ``--json`` prints on standard error."""
        return {"error": type(self).__name__, "path": self.path, "detail": self.detail}


class UsageError(CarpusError):
    """An option or name that cannot be meant."""


class ImageError(CarpusError):
    """A picture that cannot be read, or must not be."""


class LabelError(CarpusError):
    """A label file or a polygon that cannot be read or repaired with certainty."""


class RecipeError(CarpusError):
    """A recipe that cannot be rendered."""


class WriteError(CarpusError):
    """A file that could not be written: the disk is full or fails. Never a fault of the input."""


class ManifestError(CarpusError):
    """A manifest or one of its tables that is missing, damaged or inconsistent."""


class LockedError(ManifestError):
    """Another process is writing this manifest."""


class LeakError(CarpusError):
    """A sample whose ancestors lie on both sides of the line between training and evaluation."""

    exit_code = 1
