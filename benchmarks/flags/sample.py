"""Training pictures: real films turned, cropped, lit otherwise, with metal, plaster and markers composed in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from benchmarks.flags import metal
from benchmarks.flags.marks import Limb, Marked, arm_mask, box_mask, hand_mask
from benchmarks.flags.tones import lit

Rng = np.random.Generator
MANY = {"jewellery": (1, 1, 2, 3), "implant": (1, 1, 2)}
"""How many of a thing are composed in at once, each number as likely as it stands here."""

STRIDE = 4
"""Pixels of a picture per cell of its target."""

Chances = tuple[float, float, float, float]
THINGS = ("jewellery", "implant", "cast", "nail-art")
DENSE = (*THINGS, "hand", "forearm", "direction-x", "direction-y", "marker")
"""Channels of a target: of these each network learns its own."""
IGNORE = -1.0

NEGATIVE = 0.12
"""Share of the pictures that are shown inverted."""

OF_A_NEGATIVE = (1.0, IGNORE, IGNORE, IGNORE)
"""What is asked of these as a whole: that they are inverted, and no more."""


@dataclass(frozen=True)
class Target:
    """What the network should say of one picture.

    dense: float32 (len(DENSE), h, w); valid: the same shape,
    0 where not to be learnt; whole: float32, one for each of GESTALT's statements, IGNORE where it cannot be told.
    """

    dense: np.ndarray
    valid: np.ndarray
    whole: np.ndarray


class Source:
    """One marked film with the masks that do not change from picture to picture."""

    def __init__(self, film: Marked):
        self.film = film

    @cached_property
    def limbs(self) -> list[tuple[Limb, np.ndarray, np.ndarray]]:
        return [(k, hand_mask(self.film, k), arm_mask(self.film, k)) for k in self.film.limbs]

    @cached_property
    def tissue(self) -> np.ndarray:
        gray = cv2.GaussianBlur(self.film.gray, (0, 0), 1.5)
        level, _ = cv2.threshold(gray[gray < 250].reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        return ((gray > level) & (gray < 250)).astype(np.uint8)

    @cached_property
    def planes(self) -> np.ndarray:
        """uint8 (h, w, 8): four things, hand, forearm, ignored things, ignored hands."""
        shape = self.film.gray.shape
        planes = np.zeros((*shape, 8), np.uint8)
        for kind, box in self.film.boxes:
            if kind == "x":
                x0, y0, x1, y1 = np.clip(np.round(box), 0, 9999).astype(int)
                planes[y0:y1, x0:x1, 6] = 1
            else:
                planes[..., "jic".index(kind)] |= box_mask(self.film, kind, box)
        for limb, hand, arm in self.limbs:
            if limb.kind == "u":
                planes[..., 7] |= cv2.dilate(hand, np.ones((9, 9), np.uint8))
            else:
                planes[..., 4] |= hand
                planes[..., 5] |= arm & (1 - hand)
        return planes

    @cached_property
    def field(self) -> np.ndarray:
        """float32 (h, w, 2): the direction towards the fingers on hand and forearm."""
        field = np.zeros((*self.film.gray.shape, 2), np.float32)
        for limb, hand, arm in self.limbs:
            if limb.kind != "u":
                field[arm > 0] = _unit(limb.wrist - limb.arm)
                field[hand > 0] = _unit(limb.tip - limb.wrist)
        return field


def _unit(v: np.ndarray) -> np.ndarray:
    return v / max(float(np.hypot(*v)), 1e-6)


def across(mask: np.ndarray, point: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray] | None:
    """The narrowest way through ``mask`` at ``point``: its middle and half its length as a vector; None if over
    ``most``."""
    best = None
    steps = np.arange(1, int(most) + 1)
    for angle in np.arange(0, np.pi, np.pi / 12):
        way = np.array([np.cos(angle), np.sin(angle)])
        ends = []
        for sign in (1, -1):
            path = np.round(point + sign * steps[:, None] * way).astype(int)
            inside = (path >= 0).all(1) & (path[:, 0] < mask.shape[1]) & (path[:, 1] < mask.shape[0])
            on = np.zeros(len(path), bool)
            on[inside] = mask[path[inside, 1], path[inside, 0]] > 0
            if on.all():
                break
            ends.append(float(np.argmin(on)) + 0.5)
        if len(ends) == 2 and (best is None or sum(ends) < best[0]):
            best = (sum(ends), point + (ends[0] - ends[1]) / 2 * way, way * sum(ends) / 2)
    return None if best is None else best[1:]


def _somewhere(mask: np.ndarray, rng: Rng) -> np.ndarray | None:
    where = np.argwhere(mask > 0)
    return where[rng.integers(len(where))][::-1].astype(float) if len(where) else None


def fingertips(limb: Limb, hand: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Ends of fingers on a hand's outline: (tip, unit vector outwards, finger width)."""
    way = _unit(limb.tip - limb.wrist)
    outlines, _ = cv2.findContours(hand, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    tips = []
    for outline in outlines:
        points = outline[:, 0].astype(float)
        if len(points) < limb.length:
            continue
        u = (points - limb.wrist) @ way / limb.length
        reach = max(4, int(0.08 * limb.length))
        highest = np.max([np.roll(u, k) for k in range(-reach, reach + 1)], axis=0)
        for k in np.flatnonzero((u == highest) & (u > 0.62)):
            if all(np.hypot(*(points[k] - t[0])) > 0.07 * limb.length for t in tips):
                size = across(hand, points[k] - way * 0.06 * limb.length, 0.2 * limb.length)
                if size is not None:
                    tips.append((points[k], way, 2 * float(np.hypot(*size[1]))))
    return tips[:5]


def _compose_thing(
    source: Source, kind: str, rng: Rng, on_finger: bool | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Thickness map and mask of one composed thing, or None where this film has no place for it; jewellery on a finger
    or on the arm, as chance has it where that is not asked for."""
    film, shape = source.film, source.film.gray.shape
    whole = [k for k in source.limbs if k[0].kind != "u"]
    limb, hand, arm = whole[rng.integers(len(whole))] if whole else (None, None, None)
    unit = limb.length if limb is not None else 0.3 * max(shape)
    if kind == "nail-art":
        tips = fingertips(limb, hand) if limb is not None and not film.bent else []
        layer = metal.nails(shape, tips, rng) if tips else None
        return None if layer is None else (layer, layer > 0.12)
    if kind == "cast":
        if limb is None:
            return None
        rows, cols = np.indices(shape)
        u = (
            (cols - limb.wrist[0]) * (limb.tip - limb.wrist)[0] + (rows - limb.wrist[1]) * (limb.tip - limb.wrist)[1]
        ) / unit**2
        body = ((hand | arm) > 0) & (u < rng.uniform(0.0, 0.75)) & (u > -rng.uniform(0.4, 2.5))
        body = cv2.morphologyEx(body.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        return metal.plaster(body, unit, rng) if body.sum() > 0.05 * unit**2 else None
    if kind == "jewellery":
        finger = limb is not None and (rng.random() < 0.6 if on_finger is None else on_finger)
        for _ in range(12):
            point = _somewhere(hand if finger else (arm if limb is not None else source.tissue), rng)
            if point is None:
                return None
            if limb is not None:
                u = float((point - limb.wrist) @ (limb.tip - limb.wrist)) / unit**2
                if not (0.45 < u < 0.9 if finger else u > -0.7):
                    continue
            width = across(hand if finger else source.tissue, point, (0.09 if finger else 0.35) * unit)
            if width is None or np.hypot(*width[1]) < 0.02 * unit:
                continue
            layer = (metal.ring if finger else metal.bangle)(
                shape, *(v * s for v, s in zip(width, (1, 1.08), strict=True)), rng
            )
            return layer, layer > 0.25
        return None
    return _compose_implant(source, limb, hand, arm, unit, rng)


def _compose_implant(source, limb, hand, arm, unit, rng) -> tuple[np.ndarray, np.ndarray] | None:
    shape = source.film.gray.shape
    on_hand = limb is not None and rng.random() < 0.5
    point = _somewhere(source.tissue if limb is None else (hand if on_hand else arm), rng)
    if point is None:
        return None
    way = source.field[int(point[1]), int(point[0])].astype(float)
    if not way.any():
        angle = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle)])
    turn = rng.normal(0, 0.2)
    way = np.array([way[0] * np.cos(turn) - way[1] * np.sin(turn), way[0] * np.sin(turn) + way[1] * np.cos(turn)])
    draw = [metal.plate, metal.wires, metal.screws][rng.choice(3, p=[0.45, 0.4, 0.15])]
    reach = rng.uniform(0.08, 0.25) if on_hand else rng.uniform(0.12, 0.5)
    if draw is metal.wires:
        spread = rng.normal(0, 0.4)
        way = np.array(
            [way[0] * np.cos(spread) - way[1] * np.sin(spread), way[0] * np.sin(spread) + way[1] * np.cos(spread)]
        )
        reach = rng.uniform(0.08, 0.4)
    layer = draw(shape, point, way * reach * unit, unit * (0.6 if on_hand else 1.0), rng)
    return layer, layer > 0.25


def _top(gray: np.ndarray, rng: Rng) -> float:
    """The grey value that metal tends to on a film."""
    return float(max(np.percentile(gray, 99.8), 60) * rng.uniform(1.0, 1.5))


def _through(layer: np.ndarray, gray: np.ndarray, top: float, rng: Rng) -> np.ndarray:
    """Grey values seen through a thickness map, as sharp as chance has it."""
    return metal.attenuate(gray, cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.3, 1.0)), top)


def wearing(source: Source, kind: str, rng: Rng, on_finger: bool | None = None) -> np.ndarray | None:
    """The film, uint8, with one thing composed in and nothing else changed; None where it has no place for it."""
    made = _compose_thing(source, kind, rng, on_finger)
    if made is None:
        return None
    gray = source.film.gray.astype(np.float32)
    return np.clip(_through(made[0], gray, _top(gray, rng), rng), 0, 255).astype(np.uint8)


def composed(source: Source, chances: Chances, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """The film with things composed in, each with its chance, float32 grey values; and its planes."""
    gray = source.film.gray.astype(np.float32)
    planes = source.planes
    top = _top(gray, rng)
    wanted = [k for k, p in zip(THINGS, chances, strict=True) if rng.random() < p]
    for kind in [k for k in wanted for _ in range(int(rng.choice(MANY.get(k, (1,)))))]:
        if kind == "cast" and planes[..., 2].any():
            continue
        made = _compose_thing(source, kind, rng)
        if made is None:
            continue
        gray = _through(made[0], gray, top, rng)
        planes = planes.copy() if planes is source.planes else planes
        planes[..., THINGS.index(kind)] |= made[1].astype(np.uint8)
    return gray, planes


def place(source: Source, size: tuple[int, int], chances: Chances, rng: Rng) -> tuple[np.ndarray, Target, float]:
    """Film -> float32 picture of ``size`` (w, h), its target, and the magnification over showing the whole film."""
    gray, planes = composed(source, chances, rng)
    height, width = gray.shape
    fit = min(size[0] / width, size[1] / height)
    limbs = [k for k in source.film.limbs if k.kind == "h"] or source.film.limbs
    if limbs and rng.random() < 0.7:
        limb = limbs[rng.integers(len(limbs))]
        most = np.clip(0.9 * min(size) / (limb.length * fit), 1.0, 7.0) * (1.6 if rng.random() < 0.2 else 1.0)
        zoom = float(np.exp(rng.uniform(-0.15, np.log(most))))
        centre = limb.wrist + (limb.tip - limb.wrist) * rng.uniform(-0.2, 0.8)
        centre = centre + rng.normal(0, 0.15, 2) * np.array(size) / (fit * zoom)
    else:
        zoom = float(np.exp(rng.uniform(-0.2, 0.6)))
        centre = np.array([width, height]) * rng.uniform(0.35, 0.65, 2)
    if zoom < 1.25:
        centre = np.array([width, height]) * rng.uniform(0.45, 0.55, 2)
    angle = rng.uniform(0, 360) if rng.random() < 0.55 else float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 8))
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    flip = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    linear = np.array([[c, -s], [s, c]]) @ flip * fit * zoom * rng.uniform(0.93, 1.07, (2, 1))
    affine = np.column_stack([linear, np.array(size) / 2 - linear @ centre])
    level = (
        float(np.median(np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]]))) if rng.random() < 0.6 else 0.0
    )
    mode = cv2.BORDER_REFLECT_101 if rng.random() < 0.15 and zoom > 1.3 else cv2.BORDER_CONSTANT
    picture = cv2.warpAffine(
        gray,
        affine,
        size,
        flags=cv2.INTER_AREA if fit * zoom < 1 else cv2.INTER_LINEAR,
        borderMode=mode,
        borderValue=level,
    )
    moved = np.concatenate(
        [cv2.warpAffine(planes[..., k : k + 4], affine, size, flags=cv2.INTER_NEAREST) for k in (0, 4)], 2
    )
    field = cv2.warpAffine(source.field, affine, size, flags=cv2.INTER_NEAREST) @ (linear / (fit * zoom)).T.astype(
        np.float32
    )
    return picture, Target(*cells_of(moved, field), _whole(source, planes, moved, fit * zoom, zoom)), zoom


def cells_of(planes: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Target and validity, (len(DENSE), h, w) each on the grid of STRIDE pixels, of planes and directions of a picture;
    lead markers are left at nothing."""
    h, w = planes.shape[0] // STRIDE, planes.shape[1] // STRIDE
    cells = planes[: h * STRIDE, : w * STRIDE].reshape(h, STRIDE, w, STRIDE, 8)
    most, some = cells.max((1, 3)), cells.mean((1, 3))
    dense = np.zeros((len(DENSE), h, w), np.float32)
    valid = np.ones_like(dense)
    dense[:4] = most[..., :4].transpose(2, 0, 1)
    dense[2] = some[..., 2] > 0.4
    dense[4:6] = (some[..., 4:6] > 0.4).transpose(2, 0, 1)
    valid[:4] *= most[..., 6] == 0
    valid[4:6] *= most[..., 7] == 0
    direction = cv2.resize(field, (w, h), interpolation=cv2.INTER_NEAREST).transpose(2, 0, 1)
    norm = np.sqrt((direction**2).sum(0))
    dense[6:8] = direction / np.maximum(norm, 1e-6)
    valid[6:8] = (norm > 0.3) & (valid[4] > 0) & ((dense[4] > 0) | (dense[5] > 0))
    return dense, valid


def _whole(source, planes, moved, scale, zoom) -> np.ndarray:
    """[inverted, no-hand, views, bent]: what can be said of the picture as a whole."""
    film = source.film
    whole = np.array([0.0, IGNORE, IGNORE, IGNORE], np.float32)
    area = planes[..., 4].sum() * scale**2
    seen = moved[..., 4].sum() / max(area, 1.0)
    cut = moved[..., 7].mean()
    if film.region == "H":
        whole[1] = 0.0 if seen > 0.5 or (seen > 0.3 and zoom > 2.5) else (1.0 if seen < 0.08 else IGNORE)
        if seen > 0.7:
            whole[3] = float(film.bent)
    elif film.region in "ECL" and cut < 0.12:
        whole[1] = 1.0
    if film.views == 1:
        whole[2] = 0.0
    elif zoom < 1.25:
        whole[2] = 1.0
    return whole


def _beside(sources: list[Source], size: tuple[int, int], chances: Chances, rng: Rng) -> tuple[np.ndarray, Target]:
    """Two films on one plate, side by side or one above the other, with or without a strip between them."""
    upright = rng.random() < 0.75
    half = (size[0] // 2 // STRIDE * STRIDE, size[1]) if upright else (size[0], size[1] // 2 // STRIDE * STRIDE)
    made = [place(s, half, chances, rng) for s in sources]
    axis = 1 if upright else 0
    picture = np.concatenate([m[0] for m in made], axis)
    dense = np.concatenate([m[1].dense for m in made], axis + 1)
    valid = np.concatenate([m[1].valid for m in made], axis + 1)
    ends = [m[1].whole[1] for m in made]
    no_hand = 0.0 if 0.0 in ends else (1.0 if ends == [1.0, 1.0] else IGNORE)
    if rng.random() < 0.6:
        at, thick = picture.shape[axis] // 2, rng.uniform(0.003, 0.03) * max(size)
        ends_at = np.array([at + rng.normal(0, 0.02) * max(size), at + rng.normal(0, 0.02) * max(size)])
        line = (
            np.array([[ends_at[0], 0], [ends_at[1], picture.shape[0]]])
            if upright
            else np.array([[0, ends_at[0]], [picture.shape[1], ends_at[1]]])
        )
        value = float(rng.choice([0, 5, 255]))
        cv2.line(picture, tuple(int(v) for v in line[0]), tuple(int(v) for v in line[1]), value, max(1, round(thick)))
    return picture, Target(dense, valid, np.array([0, no_hand, 1, IGNORE], np.float32))


def picture_size(side: int, rng: Rng) -> tuple[int, int]:
    """Width and height of a training picture, the longer ``side`` pixels."""
    short = int(side * rng.uniform(0.55, 1.0)) // 16 * 16
    return (short, side) if rng.random() < 0.65 else (side, short)


def picture_and_target(
    sources: list[Source], weights: np.ndarray, side: int, chances: Chances, rng: Rng
) -> tuple[np.ndarray, Target]:
    """One training picture: uint8 (h, w) with its longer side ``side``, and its target on the grid of STRIDE pixels."""
    size = picture_size(side, rng)
    if rng.random() < 0.1:
        two = [sources[k] for k in rng.choice(len(sources), 2, p=weights)]
        picture, target = _beside(two, size, chances, rng)
    else:
        picture, target, _ = place(sources[rng.choice(len(sources), p=weights)], size, chances, rng)
    out, marked = lit(picture, rng)
    h, w = target.dense.shape[1:]
    cells = marked[: h * STRIDE, : w * STRIDE].reshape(h, STRIDE, w, STRIDE)
    target.dense[8] = cells.any((1, 3))
    target.valid[8] = target.valid[0]
    if rng.random() < NEGATIVE:
        out = 255 - out
        target.valid[:] = 0
        target.whole[:] = OF_A_NEGATIVE
    return out, target
