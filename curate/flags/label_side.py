"""``label-side``: the labels of a left hand on a right one, by their place on the film or by their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from curate.anatomy import centroids, hand_axis, side_of
from curate.errors import LabelError
from curate.flags.detector import LABELS, FilmDetector
from curate.flags.film import Film
from curate.flags.outline import fits
from curate.flags.result import Finding
from curate.flags.skeleton import BONES, INDEX, Placing, load_model, total
from curate.presets import CARPALS, FINGERS, HAND_BONES
from curate.sample.annotation import Annotation

HALF = 60.0
"""How much better (in squared deviations) the names must fit when exchanged thumb side for little-finger side."""

GAIN = 0.3
"""How much more of the outlines must lie on visible edges when the labels are mirrored, for a score of 0.5."""


def _mirror_names() -> np.ndarray:
    order = np.arange(len(BONES))
    pairs = [*zip(FINGERS[0], FINGERS[3], strict=True), *zip(FINGERS[1], FINGERS[2], strict=True), ("Radius", "Ulna")]
    for a, b in pairs:
        order[[INDEX[a], INDEX[b]]] = INDEX[b], INDEX[a]
    return order


MIRRORED = _mirror_names()


def _by_names(annotations: tuple[Annotation, ...]) -> tuple[float, float]:
    """What is gained when index and little, middle and ring finger, radius and ulna change names: squared deviations,
    and the share by which the bones then lie closer to where their neighbours place them."""
    places = {k: v for k, v in centroids(annotations).items() if k in HAND_BONES and k not in CARPALS}
    areas: dict[str, float] = {}
    for a in annotations:
        areas[a.label] = areas.get(a.label, 0.0) + a.geometry.area
    placing = Placing.of(load_model(), places, areas) if len(places) >= 10 else None
    if placing is None:
        return 0.0, 0.0

    def least(order: Any) -> float:
        return min(float(total(load_model(), placing.at[order], placing.size[order], m)) for m in (False, True))

    now, after = least(slice(None)), least(MIRRORED)
    return max(now - after, 0.0), 1 - float(np.sqrt(after / max(now, 1e-9)))


def _by_place(film: Film, annotations: tuple[Annotation, ...]) -> tuple[float, float]:
    """Mean fit of the outlines as they are, and the best when mirrored: across the film, or about the hand's own
    axis."""
    width = film.gray.shape[1]
    middle = np.mean(list(centroids(annotations).values()), axis=0)
    ways = [np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])]
    axis = hand_axis(annotations)
    if axis is not None:
        linear = 2 * np.outer(axis, axis) - np.eye(2)
        ways.append(np.column_stack([linear, middle - linear @ middle]))

    def mean(regions) -> float:
        values = list(fits(film.gray, regions).values())
        return float(np.mean(values)) if len(values) >= 5 else -1.0

    now = mean(annotations)
    if now > 0.55:
        return now, -1.0
    moved = []
    for way in ways:
        shapes = shapely.transform([a.geometry for a in annotations], lambda p, w=way: p @ w[:, :2].T + w[:, 2])
        moved.append(mean([Annotation(a.label, g, a.id) for a, g in zip(annotations, shapes, strict=True)]))
    return now, max(moved)


def look(film: Film) -> Finding | None:
    """The strongest of three signs that side and labels do not go together."""
    try:
        annotations = film.annotations
    except LabelError:
        return None
    if sum(a.label in HAND_BONES for a in annotations) < 10:
        return None
    side = side_of(annotations)
    gain, closer = _by_names(annotations)
    now, mirrored = _by_place(film, annotations)
    better = max(mirrored - now, 0.0)
    signs = [
        (
            gain / (gain + HALF),
            "Thumb and fingers contradict each other: with the names of the other hand, the bones lie"
            f" {100 * closer:.0f}% closer to where their neighbours place them.",
        ),
        (
            better / (better + GAIN),
            f"Mirrored, the outlines follow edges over {100 * mirrored:.0f}% of their length, now {100 * now:.0f}%.",
        ),
    ]
    if film.side is not None and side is not None and side != film.side:
        signs.append((0.9, f"The labels are those of a {side} hand, the film is said to show a {film.side} one."))
    score, why = max(signs)
    return Finding(score, why if score >= 0.5 else f"Names, places and side agree: a {side} hand.")


DETECTOR = FilmDetector("label-side", 3, 0.5, LABELS, look)
