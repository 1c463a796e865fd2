"""The marks made by eye on the shared radiographs, as masks and directions to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from curate.flags import Film
from curate.flags.grid import unpadded

MARKS = Path(__file__).with_name("marks.txt")


@dataclass(frozen=True)
class Limb:
    """A hand on a film: kind (h whole, s second, u cut off), wrist, fingertip and a point up the forearm, in pixels."""

    kind: str
    wrist: np.ndarray
    tip: np.ndarray
    arm: np.ndarray

    @property
    def length(self) -> float:
        return float(np.hypot(*(self.tip - self.wrist)))


@dataclass
class Marked:
    """A film reduced in size, its marks scaled with it."""

    name: str
    gray: np.ndarray
    region: str
    views: int
    bent: bool
    limbs: list[Limb] = field(default_factory=list)
    boxes: list[tuple[str, np.ndarray]] = field(default_factory=list)

    def has(self, kind: str) -> bool:
        return any(k == kind for k, _ in self.boxes)


def fingers_degrees(limb: Limb) -> float:
    """Where the fingers point, degrees clockwise from up."""
    dx, dy = limb.tip - limb.wrist
    return float(np.degrees(np.arctan2(dx, -dy)) % 360)


def alone(film: Marked) -> bool:
    """Whether one whole hand is all there is on the film."""
    return film.region == "H" and film.views == 1 and [k.kind for k in film.limbs] == ["h"]


def close_up(film: Marked) -> tuple[float, float, float, float] | None:
    """Box, in shares of width and height, round a hand alone on its film, as narrow as other hospitals collimate it."""
    if not alone(film):
        return None
    limb, size = film.limbs[0], (film.gray.shape[1], film.gray.shape[0])
    middle, reach = limb.wrist + 0.42 * (limb.tip - limb.wrist), 0.75 * limb.length
    low, high = np.maximum(middle - reach, 0), np.minimum(middle + reach, size)
    return (*(low / size), *(high / size))


def load_marked(data: Path, work: int = 640, marks: Path = MARKS) -> list[Marked]:
    """Every marked film under ``data`` (the folder that holds ``images/`` and ``plain/``), as the heads see it: the
    right way up, without what was put round it, at most ``work`` pixels long."""
    films = []
    for name, region, marked in _lines(marks):
        full = Film(name, name, data / name).gray
        rows, columns = unpadded(full)
        gray = full[rows, columns]
        scale = min(1.0, work / max(gray.shape))
        corner, size = (np.array(v, float) * scale for v in ((columns.start or 0, rows.start or 0), full.shape[::-1]))
        gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
        if "v" in region:
            gray = 255 - gray
        film = Marked(name, gray, region[0], 2 if "2" in region else 1, "b" in region)
        for kind, values in marked:
            at = values * np.tile(size, len(values) // 2) - np.tile(corner, len(values) // 2)
            if kind in "hsu":
                film.limbs.append(Limb(kind, *(at[k : k + 2] for k in (0, 2, 4))))
            else:
                film.boxes.append((kind, at))
        films.append(film)
    return films


def _lines(marks: Path) -> Iterator[tuple[str, str, list[tuple[str, np.ndarray]]]]:
    """Name, region and marks of each film; a mark is its letter and coordinates as shares of width and height."""
    for line in marks.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, region, *marked = line.split()
            yield name, region, [(m[0], np.array([float(v) for v in m[1:].split(",")]) / 100) for m in marked]


def hand_shown(marks: Path = MARKS) -> dict[str, float]:
    """Film name -> how much of a hand it shows, of its length from wrist to fingertip, whoever's arm lies over it; of
    several hands the one that shows most, the helping hand left out."""
    out = {}
    for name, _, marked in _lines(marks):
        hands = [values for kind, values in marked if kind in "hu"]
        steps = np.linspace(0, 1, 101)[:, None]
        paths = [v[:2] + steps * (v[2:4] - v[:2]) for v in hands]
        out[name] = max((float(((p >= 0) & (p <= 1)).all(1).mean()) for p in paths), default=0.0)
    return out


def split_half(films: list[Marked], studies: dict[str, str]) -> dict[str, int]:
    """Film name -> half 0 or 1: whole studies, those that share what is seen on them shared out in turn."""
    groups: dict[str, list[Marked]] = {}
    for film in films:
        groups.setdefault(studies[film.name], []).append(film)

    def kind(study: str) -> str:
        members = groups[study]
        seen = "".join(k for k in "icj" if any(f.has(k) for f in members))
        return seen or members[0].region + str(members[0].views)

    half: dict[str, int] = {}
    counts: dict[str, list[int]] = {}
    for study in sorted(groups, key=lambda s: (-len(groups[s]), s)):
        have = counts.setdefault(kind(study)[0], [0, 0])
        side = 0 if have[0] <= have[1] else 1
        have[side] += len(groups[study])
        half.update({f.name: side for f in groups[study]})
    return half


def tissue(gray: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Body against empty film inside ``region``: Otsu on the square root of the smoothed grey values."""
    root = np.sqrt(cv2.GaussianBlur(gray, (0, 0), 1.5).astype(np.float32) * 255).astype(np.uint8)
    region = region * (cv2.erode(gray, np.ones((11, 11), np.uint8)) < 235)  # not the bare plate beyond a collimator
    values = root[region > 0]
    if len(values) < 50:
        return region > 0
    level, _ = cv2.threshold(values.reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return (root > level) & (region > 0)


def _strip(
    shape: tuple[int, int], start: np.ndarray, end: np.ndarray, profile: list[tuple[float, float]]
) -> np.ndarray:
    """A polygon along start -> end; profile gives (position, half width) in units of that length."""
    along = end - start
    across = np.array([-along[1], along[0]])
    left = [start + u * along + w * across for u, w in profile]
    right = [start + u * along - w * across for u, w in reversed(profile)]
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(left + right)).astype(np.int32)], 1)
    return mask


HAND = [(-0.08, 0.18), (0.1, 0.33), (0.35, 0.52), (0.75, 0.56), (1.05, 0.4), (1.08, 0.2)]


def hand_mask(film: Marked, limb: Limb) -> np.ndarray:
    """uint8 mask of the hand's tissue."""
    return tissue(film.gray, _strip(film.gray.shape, limb.wrist, limb.tip, HAND)).astype(np.uint8)


def arm_mask(film: Marked, limb: Limb) -> np.ndarray:
    """uint8 mask of the forearm's tissue."""
    reach = float(np.hypot(*(limb.arm - limb.wrist)))
    width = 0.34 * limb.length / max(reach, 1.0)
    strip = _strip(film.gray.shape, limb.wrist, limb.arm, [(0.02, 0.7 * width), (0.4, width), (1.2, 1.15 * width)])
    return tissue(film.gray, strip).astype(np.uint8)


def box_mask(film: Marked, kind: str, box: np.ndarray) -> np.ndarray:
    """uint8 mask of what a box was drawn around: the bright thin part of it for metal, the whole of it for a cast."""
    x0, y0, x1, y1 = np.round(box).astype(int)
    mask = np.zeros(film.gray.shape, np.uint8)
    window = (slice(max(y0, 0), max(y1, y0 + 2)), slice(max(x0, 0), max(x1, x0 + 2)))
    part = film.gray[window]
    if kind == "c":
        mask[window] = tissue(film.gray, cv2.rectangle(mask.copy(), (x0, y0), (x1, y1), 1, -1))[window]
        return mask
    size = max(9, int(0.9 * min(part.shape)) | 1)
    hat = part.astype(np.float32) - cv2.medianBlur(part, min(size, 41))
    bright = (float(np.percentile(part, 99.5)) + float(np.median(part))) / 2
    metal = (hat > max(0.3 * float(np.percentile(hat, 99.5)), 6.0)) | ((part > bright) & (hat > -2))
    mask[window] = cv2.dilate(metal.astype(np.uint8), np.ones((3, 3), np.uint8))
    return mask
