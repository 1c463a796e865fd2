"""Boosted decision trees, run in numpy: how measures of a patch become one logit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DEPTH = 4
"""Questions asked of each sample by each tree."""


def logits(trees: Mapping[str, np.ndarray], table: np.ndarray) -> np.ndarray:
    """Sum of all trees' leaves for each row of ``table`` (rows, measures), float64 (rows,).

    trees: ``feature`` int (trees, 2**DEPTH - 1) and ``above`` float (same shape), the questions in breadth-first
    order, a
    sample going right when its measure exceeds ``above``; ``leaf`` float (trees, 2**DEPTH); ``start``, a scalar.
    """
    rows = np.arange(len(table))
    total = np.full(len(table), float(trees["start"]))
    for feature, above, leaf in zip(trees["feature"], trees["above"], trees["leaf"], strict=True):
        node = np.zeros(len(table), np.int64)
        for _ in range(DEPTH):
            node = 2 * node + 1 + (table[rows, feature[node]] > above[node])
        total += leaf[node - (2**DEPTH - 1)]
    return total
