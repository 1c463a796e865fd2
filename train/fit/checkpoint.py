"""The checkpoint of a run under way: written whole or not at all, into the run's own folder, and read as plain data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from curate.errors import CarpusError, UsageError, WriteError
from train.models.encoders import read_safely
from train.stack import lightning


class CheckpointFile(lightning.pytorch.plugins.io.TorchCheckpointIO):
    """How Lightning writes a checkpoint: beside the one before, then in its place.

    Lightning's own way leads through the system's temporary folder, which may be smaller than a large network.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``.

        Raises:
            WriteError: the disk is full or fails; what was at ``path`` is still there.
        """
        path = Path(path)
        part = path.with_name(path.name + ".part")
        try:
            with open(part, "wb") as stream:
                torch.save(checkpoint, stream)
            os.replace(part, path)
        except (OSError, RuntimeError) as error:  # torch's writer turns a failed write into either
            part.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0][:100]
            kept = "; the one before it is kept" if path.is_file() else ""
            raise WriteError(path, f"the checkpoint cannot be written: {reason}{kept}") from error


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The checkpoint to resume from, if there is one.

    Raises:
        CarpusError: it is damaged; it is refused rather than silently begun anew.
    """
    if not path.is_file():
        return None
    try:
        return read_safely(path)
    except UsageError as error:
        raise CarpusError(path, f"cannot be resumed from; delete it to begin anew ({error.detail})") from error
