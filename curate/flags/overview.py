"""What can be measured of a film as a whole, for the detectors of ``cast``, ``not-a-hand`` and ``multiple-views``
to judge."""

from __future__ import annotations

import cv2
import numpy as np

from curate.flags.exposure import body
from curate.flags.perception import Perception

SIDE = 320
"""Longer side at which grey values are measured."""

LAYERS = ("hand", "forearm", "cast")
WHOLE = ("inverted", "not-a-hand", "multiple-views", "bent")


def _names() -> tuple[str, ...]:
    of_layer = ("strongest", "strong", "mean", "sure", "likely", "patches", "largest patch")
    return (
        *(f"{layer} {what}" for layer in LAYERS for what in of_layer),
        *(f"said {name}" for name in WHOLE),
        "agreement of directions", "hand at border", "hand's share of tissue", "cast on limb", "cast sure on limb",
        "cast beside limb", "tissue", "middle", "bright", "ground", "rim over inside", "rim's roughness",
        "inside's roughness", "rim's spread", "second hand",
    )  # fmt: skip


NAMES = _names()


def _of_layer(seen: Perception, name: str) -> list[float]:
    logits, chance = seen.layers[name].values, seen.layer(name)
    _, _, stats, _ = cv2.connectedComponentsWithStats((chance > 0.4).astype(np.uint8), connectivity=8)
    areas = np.sort(stats[1:, cv2.CC_STAT_AREA])[::-1] / chance.size if len(stats) > 1 else np.zeros(1)
    shares = [float((chance > level).mean()) for level in (0.5, 0.2)]
    return [
        seen.strongest(name, 4), seen.strongest(name, 40), float(logits.mean()), *shares,
        float((areas > 0.01).sum()), float(areas[0]),
    ]  # fmt: skip


def _of_greys(gray: np.ndarray) -> list[float]:
    """Tissue, its grey values, and its rim (where plaster shows) against its inside."""
    scale = min(1.0, SIDE / max(gray.shape))
    size = (max(8, round(gray.shape[1] * scale)), max(8, round(gray.shape[0] * scale)))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    tissue = (cv2.medianBlur(body(small).astype(np.uint8), 5) > 0).astype(np.uint8)
    depth = cv2.distanceTransform(tissue, cv2.DIST_L2, 5)
    width = 0.02 * max(small.shape)
    rim, inside = (depth > 0.5) & (depth <= width), depth > width
    values = small.astype(np.float32)
    rough = np.abs(values - cv2.GaussianBlur(values, (0, 0), 1.2))
    if rim.sum() < 30 or inside.sum() < 30:
        return [float(tissue.mean()), *(float(v) for v in np.percentile(values, (50, 97, 10))), 1.0, 0.0, 0.0, 0.0]
    middle, bright = (float(v) for v in np.percentile(values[tissue > 0], (50, 97)))
    ground = float(np.median(values[tissue == 0])) if (tissue == 0).any() else 0.0
    span = max(bright - ground, 5.0)
    return [
        float(tissue.mean()), middle, bright, ground,
        float(values[rim].mean() - ground) / max(float(values[inside].mean()) - ground, 5.0),
        float(rough[rim].mean()) / span, float(rough[inside].mean()) / span, float(values[rim].std()) / span,
    ]  # fmt: skip


def measure(gray: np.ndarray, seen: Perception) -> np.ndarray:
    """(len(NAMES),) float32 measures of a uint8 (h, w) film that is the right way up, with what the networks made
    of it."""
    hand, arm, cast = (seen.layer(name) for name in LAYERS)
    limb = (hand > 0.3) | (arm > 0.3)
    beside = (cv2.dilate(limb.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~limb
    logits = seen.layers["cast"].values
    main = seen.hand
    edge = np.ones_like(main)
    edge[1:-1, 1:-1] = False
    second = (hand > 0.4) & ~cv2.dilate(main.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    numbers = [v for name in LAYERS for v in _of_layer(seen, name)]
    numbers += [seen.whole[name] for name in WHOLE]
    numbers += [
        seen.direction(main, hand)[2],
        float((main & edge).sum()) / max(float(np.sqrt(main.sum())), 1.0),
        float(main.sum()) / max(float(limb.sum()), 1.0),
        float(logits[limb].mean()) if limb.any() else -9.0,
        float((cast[limb] > 0.5).mean()) if limb.any() else 0.0,
        float(logits[beside].mean()) if beside.any() else -9.0,
    ]
    numbers += [*_of_greys(gray), float(second.sum()) / max(float(main.sum()), 1.0)]
    return np.array(numbers, np.float32)
