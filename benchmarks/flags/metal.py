"""Metal, plaster and lead drawn as thickness maps: what attenuation then makes bright on a film.

A film records roughly exp(-thickness); on an inverted grey scale, metal of thickness t over grey value v gives
top - (top - v) exp(-t). Every drawing function adds to a float32 thickness map, in units of that exponent.
"""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def attenuate(gray: np.ndarray, thickness: np.ndarray, top: float) -> np.ndarray:
    """float32 grey values seen through ``thickness``; they tend to ``top`` where nothing passes."""
    return np.maximum(top, gray) - (np.maximum(top, gray) - gray) * np.exp(-thickness)


def _line(layer: np.ndarray, points: np.ndarray, width: float, closed: bool = False) -> None:
    fixed = np.round(np.asarray(points) * 16).astype(np.int32).reshape(-1, 1, 2)
    cv2.polylines(layer, [fixed], closed, 1.0, max(1, round(width)), cv2.LINE_AA, 4)


def _blank(shape: tuple[int, int]) -> np.ndarray:
    return np.zeros(shape, np.float32)


def ellipse_points(centre: np.ndarray, axis: np.ndarray, flat: float, n: int = 48) -> np.ndarray:
    """Points of an ellipse whose half long axis is the vector ``axis``; the short one is ``flat`` times as long."""
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)[:, None]
    short = np.array([-axis[1], axis[0]]) * flat
    return centre + np.cos(t) * axis + np.sin(t) * short


def ring(shape: tuple[int, int], centre: np.ndarray, axis: np.ndarray, rng: Rng) -> np.ndarray:
    """A finger ring worn across ``axis`` (half its width): band, sometimes domed, sometimes with a stone."""
    layer = _blank(shape)
    half = float(np.hypot(*axis))
    width = max(1.2, half * rng.uniform(0.15, 0.6))
    if rng.random() < 0.55:  # seen from the side: a short bar
        bend = np.array([-axis[1], axis[0]]) * rng.uniform(-0.2, 0.2)
        _line(
            layer,
            np.array([centre - axis, centre - 0.5 * axis + bend, centre + 0.5 * axis + bend, centre + axis]),
            width,
        )
    else:
        _line(layer, ellipse_points(centre, axis, rng.uniform(0.12, 0.6)), max(1.2, 0.6 * width), True)
    if rng.random() < 0.35:
        place = centre + axis * rng.uniform(-1.1, 1.1)
        cv2.circle(layer, tuple(int(v) for v in np.round(place)), max(1, round(half * rng.uniform(0.25, 0.6))), 1.0, -1)
    return layer * rng.uniform(0.9, 4.0)


def bangle(shape: tuple[int, int], centre: np.ndarray, axis: np.ndarray, rng: Rng) -> np.ndarray:
    """One or more bangles, a chain of beads or a watch round the arm across ``axis`` (half the arm's width)."""
    layer = _blank(shape)
    half = float(np.hypot(*axis))
    kind = rng.random()
    along = np.array([-axis[1], axis[0]])
    if kind < 0.62:
        gap = along * rng.uniform(0.12, 0.3)
        flat, loose, width = rng.uniform(0.0, 0.45), rng.uniform(0.95, 1.45), half * rng.uniform(0.03, 0.2)
        turn = rng.normal(0, 0.2)
        tilted = axis * np.cos(turn) + along * np.sin(turn)
        for k in range(int(rng.choice([1, 1, 1, 2, 3]))):
            _line(layer, ellipse_points(centre + k * gap, tilted * loose, flat), max(1.2, width), True)
    elif kind < 0.8:
        radius = max(1, round(half * rng.uniform(0.03, 0.12)))
        beads = ellipse_points(centre, axis * rng.uniform(1.0, 1.3), rng.uniform(0.05, 0.5), int(rng.integers(14, 40)))
        for x, y in beads:
            cv2.circle(layer, (round(x), round(y)), radius, 1.0, -1, cv2.LINE_AA)
        if rng.random() < 0.5:
            _line(layer, beads, 1, True)
    else:
        band = half * rng.uniform(0.3, 0.6)
        _line(layer, np.array([centre - axis * 1.1, centre + axis * 1.1]), band)
        layer *= rng.uniform(0.3, 1.0)
        case = _blank(shape)
        place = centre + axis * rng.uniform(-1.1, 1.1)
        size = half * rng.uniform(0.4, 0.75)
        if rng.random() < 0.6:
            cv2.circle(case, tuple(int(v) for v in np.round(place)), round(size), 1.0, -1, cv2.LINE_AA)
        else:
            _line(case, np.array([place - along * size / half, place + along * size / half]), 1.6 * size)
        layer = np.maximum(layer, case)
    return layer * rng.uniform(1.0, 5.0)


def plate(shape: tuple[int, int], centre: np.ndarray, axis: np.ndarray, unit: float, rng: Rng) -> np.ndarray:
    """A bone plate with holes along ``axis`` (half its length) and screws across it; ``unit``: the hand's length."""
    layer = _blank(shape)
    length = 2 * float(np.hypot(*axis))
    width = unit * rng.uniform(0.028, 0.075)
    across = np.array([-axis[1], axis[0]]) / (length / 2)
    bow = across * length * rng.normal(0, 0.025)
    side = rng.random() < 0.4  # seen edge-on: thinner, screws stick out
    thick = width * (rng.uniform(0.3, 0.5) if side else 1.0)
    t = np.linspace(-1, 1, 9)[:, None]
    _line(layer, centre + t * axis + (1 - t**2) * bow, max(thick, 1.5))
    if rng.random() < 0.25:  # a T-shaped end
        _line(
            layer,
            np.array([centre + axis - across * width * 1.6, centre + axis + across * width * 1.6]),
            max(thick, 1.5),
        )
    n = int(np.clip(round(length / (width * rng.uniform(1.1, 2.2))), 3, 12))
    screws = _blank(shape)
    for u in np.linspace(-0.9, 0.9, n):
        place = centre + u * axis + (1 - u * u) * bow
        if not side and rng.random() < 0.8 and width >= 4:
            cv2.circle(
                layer, tuple(int(v) for v in np.round(place)), max(1, round(width * 0.22)), 0.35, -1, cv2.LINE_AA
            )
        if rng.random() < (0.8 if side else 0.45):
            reach = across * unit * rng.uniform(0.04, 0.13) * (1 if side else rng.uniform(0.2, 1.0))
            _line(
                screws,
                np.array([place - 0.1 * reach, place + reach + axis / length * rng.normal(0, 2)]),
                max(1.2, width * 0.3),
            )
    return layer * rng.uniform(1.0, 3.5) + screws * rng.uniform(0.8, 2.5)


def wires(shape: tuple[int, int], centre: np.ndarray, axis: np.ndarray, unit: float, rng: Rng) -> np.ndarray:
    """One to three k-wires or nails about ``axis`` (half their length), straight or bowed, perhaps with a bent end."""
    layer = _blank(shape)
    width = unit * rng.uniform(0.006, 0.02)
    across = np.array([-axis[1], axis[0]])
    for _ in range(int(rng.integers(1, 4))):
        turn, shift = rng.normal(0, 0.25), across * rng.normal(0, 0.12)
        way = axis * np.cos(turn) + across * np.sin(turn)
        bow = across * (rng.normal(0, 0.15) if rng.random() < 0.3 else 0.0)
        t = np.linspace(-1, 1, 9)[:, None]
        points = centre + shift + t * way * rng.uniform(0.7, 1.0) + (1 - t**2) * bow
        if rng.random() < 0.5:
            hook = rng.normal(0, 1, 2)
            points = np.vstack([points, points[-1] + hook / np.hypot(*hook) * unit * rng.uniform(0.02, 0.08)])
        _line(layer, points, max(1.2, width))
    return layer * rng.uniform(0.8, 3.0)


def screws(shape: tuple[int, int], centre: np.ndarray, axis: np.ndarray, unit: float, rng: Rng) -> np.ndarray:
    """One to three screws with heads, or a loop of wire."""
    layer = _blank(shape)
    if rng.random() < 0.2:
        _line(layer, ellipse_points(centre, axis * 0.4, rng.uniform(0.3, 0.9)), max(1.2, unit * 0.008), True)
        return layer * rng.uniform(1.0, 3.0)
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle)]) * unit * rng.uniform(0.04, 0.14)
        place = centre + rng.normal(0, 0.05, 2) * unit
        width = max(1.5, unit * rng.uniform(0.012, 0.028))
        _line(layer, np.array([place - way / 2, place + way / 2]), width)
        cv2.circle(
            layer, tuple(int(v) for v in np.round(place - way / 2)), max(1, round(width * 0.9)), 1.0, -1, cv2.LINE_AA
        )
    return layer * rng.uniform(1.0, 3.0)


def nails(shape: tuple[int, int], tips: list[tuple[np.ndarray, np.ndarray, float]], rng: Rng) -> np.ndarray:
    """Radio-opaque nail art on the given finger ends: (tip, unit vector outwards, finger width)."""
    layer = _blank(shape)
    for tip, way, width in tips:
        if rng.random() < 0.15:
            continue
        reach = width * rng.uniform(0.1, 0.9)  # long nails stand out beyond the flesh
        centre = tip + way * (reach / 2 - 0.3 * width)
        axes = (max(1, round(width * 0.32)), max(1, round(width * 0.35 + reach / 2)))
        angle = float(np.degrees(np.arctan2(way[0], -way[1])))
        at = tuple(int(v) for v in np.round(centre))
        cv2.ellipse(layer, at, axes, angle, 0, 360, float(rng.uniform(0.4, 1.0)), -1, cv2.LINE_AA)
        for _ in range(int(rng.integers(0, 5))):
            spot = centre + rng.normal(0, 0.2, 2) * width
            cv2.circle(layer, (round(spot[0]), round(spot[1])), max(1, round(width * 0.08)), 2.5, -1)
    return layer * rng.uniform(0.25, 1.2)


def plaster(mask: np.ndarray, unit: float, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """A cast all round the limb of ``mask``, or a splint along one side of it; thickness and uint8 outline."""
    pad = max(2, round(unit * rng.uniform(0.02, 0.09)))
    outer = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pad + 1, 2 * pad + 1)))
    lumps = cv2.resize(rng.normal(0, 1, (24, 24)).astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_CUBIC)
    inside = cv2.distanceTransform(outer, cv2.DIST_L2, 5) + lumps * 0.25 * pad * (outer > 0)
    radius = max(float(np.percentile(inside[outer > 0], 97)), 2.0)
    shell = pad * rng.uniform(0.6, 1.2)
    r = np.clip(radius - inside, 0, radius)
    chord = np.sqrt(np.maximum(radius**2 - r**2, 0)) - np.sqrt(np.maximum((radius - shell) ** 2 - r**2, 0))
    thickness = (chord / np.sqrt(2 * radius * shell)).astype(np.float32) * (outer > 0)
    if rng.random() < 0.4:  # a splint: one side only
        where = np.argwhere(outer > 0)
        middle, way = where.mean(0), np.linalg.svd(where[:: max(1, len(where) // 500)] - where.mean(0))[2][1]
        side = (np.indices(mask.shape).transpose(1, 2, 0) - middle) @ way * rng.choice([-1, 1])
        thickness *= np.clip(0.12 + (side > 0.35 * radius), 0.12, 1.0)
    fibre = cv2.GaussianBlur(rng.normal(0, 1, mask.shape).astype(np.float32), (0, 0), rng.uniform(0.8, 2.5))
    thickness *= 1 + rng.uniform(0.2, 0.9) * fibre
    thickness = np.maximum(cv2.GaussianBlur(thickness, (0, 0), rng.uniform(0.4, 1.5)), 0)
    return thickness * rng.uniform(0.35, 1.4), outer


WORDS = ("R", "L", "Hand", "Wrist", "R PA", "L AP", "JD", "KM", "12", "PORTABLE", "+", "O", "X", "STANDING")


def marker(shape: tuple[int, int], rng: Rng) -> np.ndarray:
    """Lead letters or a lead plate with letters cut out, anywhere; never an outlier."""
    height, width = shape
    layer = np.zeros(shape, np.uint8)  # text is drawn on 8 bits only
    text = str(rng.choice(WORDS))
    size = rng.uniform(0.3, 1.2) * max(shape) / 400
    heavy = max(1, round(size * rng.uniform(1, 4)))
    at = (int(rng.uniform(0, 0.9) * width), int(rng.uniform(0.05, 1.0) * height))
    if rng.random() < 0.35:
        box = round(size * rng.uniform(18, 40))
        cv2.rectangle(layer, (at[0], at[1] - box), (at[0] + box, at[1]), 1.0, -1)
        cv2.putText(layer, text[:1], (at[0] + 3, at[1] - 3), cv2.FONT_HERSHEY_SIMPLEX, size, 25, heavy, cv2.LINE_AA)
    else:
        cv2.putText(layer, text, at, int(rng.integers(0, 6)), size, 255, heavy, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 8)), 1)
    layer = cv2.warpAffine(layer, turn, (width, height))
    if rng.random() < 0.2:
        layer = layer[:, ::-1].copy()
    return layer.astype(np.float32) / 255 * rng.uniform(0.8, 5.0)
