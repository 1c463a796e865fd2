"""What shines on a film: bright patches and what can be measured of each, for the detectors of metal to judge."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from curate.flags.exposure import body
from curate.flags.perception import Perception
from curate.flags.result import Box

SIDE = 560
"""Longer side at which patches are sought; smaller films are taken as they are."""

MOST = 36
"""Patches looked at on one film, the most striking first."""

NAMES = (
    "contrast", "contrast over tissue's", "contrast share of film's most", "grey", "grey over tissue's middle",
    "grey over tissue's brightest", "grey share of film's brightest", "evenness", "edge sharpness",
    "area", "length", "thickness", "elongation", "solidity", "hole", "straightness", "roundness",
    "tissue around", "tissue under", "tissue at its ends", "border", "tissue share of film",
    "hand", "forearm", "cast", "along limb", "not a hand",
    "jewellery here", "jewellery most", "implant here", "implant most", "marker here", "marker most", "nail here",
    "jewellery film", "implant film", "marker film", "level",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Patch:
    """One bright patch: its pixels at the working size (rows, columns), its box there, and its measures (NAMES)."""

    rows: np.ndarray
    cols: np.ndarray
    box: Box
    measures: np.ndarray


@dataclass(frozen=True, eq=False)
class Patches:
    """All patches of a film; ``scale``: working pixels per film pixel; ``size``: (h, w) at the working size."""

    patches: list[Patch]
    scale: float
    size: tuple[int, int]

    def table(self) -> np.ndarray:
        """(patches, len(NAMES)) float32."""
        return np.array([p.measures for p in self.patches], np.float32).reshape(-1, len(NAMES))


def _layer(seen: Perception, name: str, size: tuple[int, int]) -> np.ndarray:
    values = seen.layers[name].values
    return cv2.resize(np.ascontiguousarray(values), size[::-1], interpolation=cv2.INTER_LINEAR)


class _Film:
    """What all patches of a film are measured against."""

    def __init__(self, gray: np.ndarray, seen: Perception):
        self.gray = gray
        self.size = gray.shape
        side = max(gray.shape)
        width = int(0.075 * side) | 1
        smooth = cv2.GaussianBlur(gray, (0, 0), 0.7)
        opened = cv2.morphologyEx(smooth, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        self.hat = smooth.astype(np.float32) - opened
        frame = max(2, round(0.006 * side))
        for edge in (self.hat[:frame], self.hat[-frame:], self.hat[:, :frame], self.hat[:, -frame:]):
            edge[:] = 0
        self.tissue = cv2.medianBlur(body(gray).astype(np.uint8), 5) > 0
        inside = self.tissue if self.tissue.sum() > 200 else np.ones(gray.shape, bool)
        self.hat_tissue = float(np.percentile(self.hat[inside], 97)) + 2
        self.hat_most = float(np.percentile(self.hat, 99.9)) + 2
        self.middle, self.bright = (float(v) + 2 for v in np.percentile(gray[inside], (50, 97)))
        self.top = float(np.percentile(gray, 99.9)) + 2
        dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *d) for d in ((1, 0), (0, 1)))
        self.gradient = np.hypot(dx, dy) / 4
        self.share = float(self.tissue.mean())
        self.layers = {n: _layer(seen, n, self.size) for n in ("hand", "forearm", "cast", "direction-x", "direction-y")}
        self.metal = {n: _layer(seen, n, self.size) for n in ("jewellery", "implant", "marker", "nail-art")}
        self.film_metal = [seen.strongest(n) for n in ("jewellery", "implant", "marker")]
        self.no_hand = seen.whole["not-a-hand"]


def _components(film: _Film) -> list[tuple[float, float, np.ndarray, np.ndarray]]:
    """(strikingness, level, rows, columns) of patches above several levels of contrast, and of the network's maps."""
    maps = [(film.hat > share * film.hat_most, share) for share in (0.3, 0.5, 0.7)]
    maps += [(film.hat > 1.5 * film.hat_tissue, 1.0)]
    for name, level in (("jewellery", 2.0), ("implant", 3.0)):
        layer = film.metal[name]
        maps.append((layer > max(float(layer.max()) - 1.5, -4.0), level))
    found = []
    for mask, level in maps:
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        for k in range(1, count):
            x, y, w, h, area = stats[k]
            if not 8 <= area <= 0.06 * mask.size:
                continue
            rows, cols = np.nonzero(labels[y : y + h, x : x + w] == k)
            rows, cols = rows + y, cols + x
            striking = float(film.hat[rows, cols].mean()) * np.sqrt(area)
            found.append((striking * (3.0 if level >= 2 else 1.0), level, rows, cols))
    found.sort(key=lambda f: -f[0])
    return found[:MOST]


def _shape(rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Direction of the longest axis, its two ends, and area-free shape measures."""
    points = np.column_stack([cols, rows]).astype(np.float32)
    centre = points.mean(0)
    _, vectors = np.linalg.eigh(np.cov((points - centre).T) + 0.08 * np.eye(2))
    way = vectors[:, 1]
    along, across = (points - centre) @ way, (points - centre) @ vectors[:, 0]
    length, width = float(np.ptp(along)) + 1, float(np.ptp(across)) + 1
    y, x = rows.min(), cols.min()
    mask = np.zeros((np.ptp(rows) + 3, np.ptp(cols) + 3), np.uint8)
    mask[rows - y + 1, cols - x + 1] = 1
    outlines, tree = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = max((o for o, t in zip(outlines, tree[0], strict=True) if t[3] < 0), key=len)
    hull = max(float(cv2.contourArea(cv2.convexHull(outer))), 1.0)
    filled = cv2.drawContours(np.zeros_like(mask), [outer], -1, 1, -1)
    hole = float(filled.sum() - mask.sum()) / max(float(filled.sum()), 1.0)
    thickness = 2 * float(cv2.distanceTransform(mask, cv2.DIST_L2, 3).max())
    round_ = float(len(rows)) / (np.pi * length * width / 4)
    straight = float(np.abs(across).mean()) / max(thickness, 1.0)
    ends = centre + np.outer((along.min(), along.max()), way)
    measures = [length, thickness, length / width, min(len(rows) / hull, 1.5), hole, straight, round_]
    return way, ends, measures


def _measure(film: _Film, level: float, rows: np.ndarray, cols: np.ndarray) -> Patch:
    side = max(film.size)
    way, ends, shape = _shape(rows, cols)
    y0, y1, x0, x1 = rows.min(), rows.max() + 1, cols.min(), cols.max() + 1
    pad = max(4, round(0.02 * side))
    window = (slice(max(y0 - pad, 0), y1 + pad), slice(max(x0 - pad, 0), x1 + pad))
    mask = np.zeros(film.gray[window].shape, np.uint8)
    mask[rows - window[0].start, cols - window[1].start] = 1
    near = (cv2.dilate(mask, np.ones((2 * pad // 2 + 1,) * 2, np.uint8)) > 0) & (mask == 0)
    edge = (mask > 0) & (cv2.erode(mask, np.ones((3, 3), np.uint8)) == 0)
    grey, hat = film.gray[rows, cols].astype(np.float32), film.hat[rows, cols]
    tissue = film.tissue[window]
    beyond = []
    for end, sign in zip(ends, (-1, 1), strict=True):
        x, y = np.round(end + sign * way * pad).astype(int)
        inside = 0 <= y < film.size[0] and 0 <= x < film.size[1]
        beyond.append(float(film.tissue[y, x]) if inside else 0.5)
    mean_hat, mean_grey = float(hat.mean()), float(grey.mean())
    direction = np.array([film.layers[f"direction-{k}"][rows, cols].mean() for k in "xy"])
    limb = float(np.abs(direction @ way)) / max(float(np.hypot(*direction)), 0.05)
    metal = {n: m[rows, cols] for n, m in film.metal.items()}
    border = min(y0, x0, film.size[0] - y1, film.size[1] - x1) / side
    length, thickness, *rest = shape
    measures = [
        mean_hat, mean_hat / film.hat_tissue, mean_hat / film.hat_most, mean_grey, mean_grey / film.middle,
        mean_grey / film.bright, mean_grey / film.top, float(grey.std()) / mean_hat if mean_hat > 0 else 9.0,
        float(film.gradient[window][edge].mean()) / max(mean_hat, 1.0),
        len(rows) / side**2 * 1e3, length / side, thickness / side * 10, *rest,
        float(tissue[near].mean()) if near.any() else 0.0, float(tissue[mask > 0].mean()), sum(beyond), border,
        film.share,
        *(float(film.layers[n][rows, cols].mean()) for n in ("hand", "forearm", "cast")), limb, film.no_hand,
        float(metal["jewellery"].mean()), float(metal["jewellery"].max()), float(metal["implant"].mean()),
        float(metal["implant"].max()), float(metal["marker"].mean()), float(metal["marker"].max()),
        float(metal["nail-art"].mean()), *film.film_metal, level,
    ]  # fmt: skip
    box = tuple(float(v) for v in (x0 - 0.5, y0 - 0.5, x1 - 0.5, y1 - 0.5))
    return Patch(rows, cols, box, np.array(measures, np.float32))


def find(gray: np.ndarray, seen: Perception) -> Patches:
    """Patches of a uint8 (h, w) film that is the right way up, with what the networks made of it."""
    scale = min(1.0, SIDE / max(gray.shape))
    size = (max(8, round(gray.shape[1] * scale)), max(8, round(gray.shape[0] * scale)))
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    film = _Film(small, seen)
    return Patches(
        [_measure(film, level, rows, cols) for _, level, rows, cols in _components(film)], scale, small.shape
    )
