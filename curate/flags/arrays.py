"""Stored weights: plain arrays in ``weights/*.npz``, read without pickle."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources

import numpy as np

from curate.errors import CarpusError


@lru_cache(maxsize=8)
def load_weights(name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Stored arrays, half precision made single, and the note written beside them (what was learnt from, thresholds).

    Raises:
        CarpusError: the package came without them.
    """
    source = resources.files("curate.flags").joinpath("weights", name)
    if not source.is_file():
        raise CarpusError(
            name, "the network's weights are missing from curate/flags/weights; install the package again"
        )
    with source.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        note = json.loads(str(stored["note"])) if "note" in stored else {}
        arrays = {k: stored[k] for k in stored.files if k != "note"}
        return {k: v.astype(np.float32) if v.dtype == np.float16 else v for k, v in arrays.items()}, note
