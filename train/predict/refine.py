"""A second look at a region: found in the first prediction, predicted again from near, pasted back with a soft edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch

from curate.errors import UsageError
from curate.presets import REGIONS
from curate.sample.geometry import compose, scale_affine, translation
from curate.sample.warp import Film, warp
from train.predict.members import Member, check_members
from train.predict.views import Window
from train.upscale import class_values, logit

MARGIN = 0.2
"""Round the bones, as a share of the longer side of their box: that of ``augment crop``."""
OWN_MARGIN, OWN_ZOOM = 0.6, 2.0
"""The same for a run that was trained on whole films: it needs more round the bones, and not too much from near."""
_FAR = 4.0  # sizes of a bone from the others' middle, beyond which what was found is none of them
_EDGE = 0.5  # share of the margin over which the second look fades out


@dataclass(eq=False)
class Refiner:
    """Predicts a region again, from near.

    Attributes:
        region: its name. members: whose second look it is; classes they do not have stay as first seen.
        device: where their networks are. own: they are the runs of the first look, trained on whole films.
        done: pictures that were looked at again. missed: those in which the region was not found.
    """

    region: str
    members: Sequence[Member]
    device: torch.device
    own: bool = False
    done: int = field(default=0, init=False)
    missed: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.region not in REGIONS:
            raise UsageError("--refine", f"{self.region!r} is none of: {', '.join(REGIONS)}")
        check_members(self.members)
        self.bones = tuple(b for b in REGIONS[self.region] if b in self.members[0].classes)
        if not self.bones:
            raise UsageError("--refine", f"{self.members[0].path} has none of the bones of {self.region}")

    def refine(self, film: Film, plane: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """A plane in which the region's bones are those of the second look.

        Where the looks meet, over half of the margin, they are mixed: shares of the second look that fall along a
        raised cosine to nothing at the edge of the box.

        Args:
            plane: of the first look, unsigned (h, w). classes: names in the order of its bits.

        Returns:
            the same plane, changed in place; as it was where the region was not found.
        """
        known = [b for b in self.bones if b in classes]
        found = region_box(plane, [classes.index(b) for b in known])
        if found is None:
            self.missed += 1
            return plane
        self.done += 1
        margin = OWN_MARGIN if self.own else MARGIN
        window = _square(found, margin)
        logits, scale = self._look(film, window)
        share = _fade(window, found, margin)
        height, width = plane.shape
        y = slice(max(window.y, 0), min(window.y + window.height, height))
        x = slice(max(window.x, 0), min(window.x + window.width, width))
        inner = (slice(y.start - window.y, y.stop - window.y), slice(x.start - window.x, x.stop - window.x))
        here, share = plane[y, x], share[inner]
        thresholds = np.mean([member.thresholds for member in self.members], 0)
        for name in known:
            bit = plane.dtype.type(1 << classes.index(name))
            own = self.members[0].classes.index(name)
            second = _certainty(logits[own], scale, window, float(thresholds[own]))[inner]
            first = (here & bit != 0).astype(np.float32)
            here &= ~bit
            here[share * second + (1 - share) * first >= 0.5] |= bit
        return plane

    def _look(self, film: Film, window: Window) -> tuple[np.ndarray, float]:
        """Logits of a window, float32 (classes, h, w), and their pixels per film pixel."""
        height, width = film.gray.shape
        total: np.ndarray | None = None
        side = max(member.size for member in self.members)
        if any(member.patch for member in self.members):
            side = window.width  # trained at the film's own size
        elif self.own:
            side = round(window.width * min(1.0, OWN_ZOOM * side / max(width, height)))
        side = max(side, 32)
        scale = side / window.width
        patch = warp(film, compose(scale_affine(scale), translation(-window.x, -window.y)), (side, side))
        for member in self.members:
            answer = member.probabilities(patch[None], self.device)[0]
            total = answer if total is None else total + answer
        p = np.clip(total / len(self.members), 1e-6, 1 - 1e-6)
        return np.log(p / (1 - p)).astype(np.float32), scale


def region_box(plane: np.ndarray, bits: Sequence[int]) -> tuple[int, int, int, int] | None:
    """The box of some bones: of each its largest piece, without those that lie far from the others.

    Returns:
        (x0, y0, x1, y1) in pixels, the last ones excluded; ``None`` where fewer than half of the bones were found.
    """
    boxes = []
    union = np.bitwise_or.reduce([plane.dtype.type(1 << k) for k in bits])
    held = plane & union
    rows, columns = np.bitwise_or.reduce(held, axis=1), np.bitwise_or.reduce(held, axis=0)
    for k in bits:
        bit = plane.dtype.type(1 << k)
        y, x = np.flatnonzero(rows & bit), np.flatnonzero(columns & bit)
        if not y.size:
            continue
        mask = (held[y[0] : y[-1] + 1, x[0] : x[-1] + 1] & bit != 0).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        left, top, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
        boxes.append((x[0] + left, y[0] + top, x[0] + left + width, y[0] + top + height))
    if 2 * len(boxes) < len(bits):
        return None
    found = np.array(boxes)
    middles, sizes = (found[:, :2] + found[:, 2:]) / 2, (found[:, 2:] - found[:, :2]).max(1)
    near = np.linalg.norm(middles - np.median(middles, 0), axis=1) <= _FAR * np.median(sizes)
    low, high = found[near, :2].min(0), found[near, 2:].max(0)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _square(box: tuple[int, int, int, int], margin: float) -> Window:
    """A square round a box, with a margin on each side; it may reach beyond the picture."""
    longer = max(box[2] - box[0], box[3] - box[1])
    edge = int(np.ceil(longer * (1 + 2 * margin)))
    return Window(round((box[0] + box[2] - edge) / 2), round((box[1] + box[3] - edge) / 2), edge, edge)


def _fade(window: Window, box: tuple[int, int, int, int], margin: float) -> np.ndarray:
    """How much the second look counts: 1 inside, falling to 0 over the outer half of the margin; float32 (h, w)."""
    ramp = max(1.0, _EDGE * margin * max(box[2] - box[0], box[3] - box[1]))
    depth = np.minimum(np.arange(window.width) + 0.5, window.width - np.arange(window.width) - 0.5)
    line = 0.5 - 0.5 * np.cos(np.pi * np.clip(depth / ramp, 0, 1))
    return np.minimum.outer(line, line).astype(np.float32)


def _certainty(layer: np.ndarray, scale: float, window: Window, threshold: float) -> np.ndarray:
    """Probabilities of one class on the window's pixels, moved so that 0.5 stands for the threshold."""
    out = np.zeros((window.height, window.width), np.float32)
    here = class_values(layer, scale, (window.width, window.height), min(threshold, 1e-4))
    if here is not None:
        y, x, values = here
        out[y, x] = 1 / (1 + np.exp(np.float32(logit(threshold)) - values))
    return out
