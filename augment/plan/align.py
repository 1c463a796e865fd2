"""Laying one hand over another by what both have labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from curate.anatomy import centroids
from curate.sample.annotation import Annotation
from curate.sample.geometry import apply_affine, compose, rotation_about, translation

DIGITS = 9
"""Affines found by least squares are rounded to this many digits, so that a last bit does not change a recipe."""

SCALES = (0.5, 2.0)
"""Least and most that an alignment may scale."""


def similarity(source: np.ndarray, target: np.ndarray, mirror: bool = False) -> np.ndarray:
    """The turn, scale and shift (after a mirroring, when asked) that takes points nearest to others.

    Args:
        source, target: float64 (n, 2), n >= 1; with one point, a shift.

    Returns:
        float64 (2, 3).

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    sign = -1.0 if mirror else 1.0
    flip = np.array([[sign, 0.0, 0.0], [0.0, 1.0, 0.0]])
    points = apply_affine(flip, source)
    middle, goal = points.mean(axis=0), target.mean(axis=0)
    a = (points - middle) @ (1, 1j)
    b = (target - goal) @ (1, 1j)
    spread = float(np.sum(np.abs(a) ** 2))
    factor = np.sum(np.conj(a) * b) / spread if spread > 1e-9 else 1.0 + 0j
    size = abs(factor)
    factor = factor / size * np.clip(size, *SCALES) if size > 1e-9 else 1.0 + 0j
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    affine = np.hstack([turn, (goal - turn @ middle)[:, None]])
    return np.round(compose(affine, flip), DIGITS)


class Aligner:
    """Alignments between samples, by the centroids of the classes that both have; each sample is read once."""

    def __init__(self, annotations):
        self._annotations = annotations
        self._places: dict[str, dict[str, np.ndarray]] = {}

    def places(self, sample: str) -> dict[str, np.ndarray]:
        """Class -> centroid."""
        if sample not in self._places:
            self._places[sample] = centroids(self._annotations(sample))
        return self._places[sample]

    def between(self, source: str, target: str, mirror: bool = False) -> np.ndarray | None:
        """Source pixels to target pixels; ``None`` when they share no class."""
        return _aligned(self.places(source), self.places(target), mirror)

    def twin(
        self, source: str, target: str, label: str, mirror: bool = False, neighbours: int = 5
    ) -> np.ndarray | None:
        """Source pixels to target pixels so that one bone lies on its twin.

        Turn and scale come from the bone and its nearest neighbours, the turn of a long bone from its own axis, the
        shift from the bone alone. ``None`` when either lacks the bone.
        """
        ours, theirs = self.places(source), self.places(target)
        if label not in ours or label not in theirs:
            return None
        near = sorted((n for n in ours if n in theirs), key=lambda n: float(np.linalg.norm(theirs[n] - theirs[label])))
        near = near[: neighbours + 1]
        affine = _aligned({n: ours[n] for n in near}, theirs, mirror)
        affine = _turned_to_axis(affine, self._shape(source, label), self._shape(target, label))
        shift = theirs[label] - apply_affine(affine, ours[label][None])[0]
        return np.round(compose(translation(*shift), affine), DIGITS)

    def _shape(self, sample: str, label: str) -> shapely.Geometry:
        return shapely.union_all([a.geometry for a in self._annotations(sample) if a.label == label])


def _aligned(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], mirror: bool) -> np.ndarray | None:
    shared = sorted(set(ours) & set(theirs))
    if not shared:
        return None
    return similarity(np.array([ours[n] for n in shared]), np.array([theirs[n] for n in shared]), mirror)


def _axis(shape: shapely.Geometry) -> tuple[np.ndarray, float]:
    """Direction of a shape's longer side (unit vector) and how many times the shorter one it is."""
    corners = np.array(shapely.minimum_rotated_rectangle(shape).exterior.coords)
    sides = np.diff(corners[:3], axis=0)
    lengths = np.linalg.norm(sides, axis=1)
    k = int(np.argmax(lengths))
    return sides[k] / max(lengths[k], 1e-9), float(lengths[k] / max(lengths[1 - k], 1e-9))


def _turned_to_axis(affine: np.ndarray, ours: shapely.Geometry, theirs: shapely.Geometry) -> np.ndarray:
    """An alignment turned so that the axes of two long shapes agree; unchanged for shapes that have none."""
    (source, long_source), (target, long_target) = _axis(ours), _axis(theirs)
    if min(long_source, long_target) < 1.6:
        return affine
    moved = affine[:, :2] @ source
    turn = np.degrees(np.angle(complex(*target) / complex(*moved)))
    turn = (turn + 90.0) % 180.0 - 90.0  # an axis has no head
    return compose(rotation_about(float(turn), (0.0, 0.0)), affine)


def shared_labels(first: Sequence[Annotation], second: Sequence[Annotation]) -> list[str]:
    """Classes that two samples both have, sorted."""
    return sorted({a.label for a in first} & {a.label for a in second})
