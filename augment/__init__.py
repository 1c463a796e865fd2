"""Planning new samples from old ones (recipes) and making their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from curate.sample.filters import register


def _superres(gray: np.ndarray, params: Mapping[str, Any], seed: int) -> np.ndarray:
    from augment.superres.pixelfilter import apply_superres  # torch only where a recipe asks for it

    return apply_superres(gray, params, seed)


register("superres", _superres, deep=True)  # here, so that every process that makes files knows it
