"""Planting one oddity in a film, and saying exactly what was planted and where."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from . import metal
from .anatomy import RAYS
from .detector import Exposure, over_exposed
from .patient import Patient
from .pose import Pose, with_bent_fingers, with_wrist
from .schedule import FLAGS
from .skeleton import unit_of
from .solid import Posed
from .tissue import FINGER_SIZE
from .view import View

_EASILY_SWAPPED = (
    ("Trapezium", "Trapezoid"), ("Triquetrum", "Pisiform"), ("Scaphoid", "Lunate"), ("Capitate", "Hamate"),
    ("finger-5", "finger-9"), ("finger-8", "finger-12"), ("finger-15", "finger-19"), ("finger-10", "finger-14"),
)  # fmt: skip
Labels = list[tuple[str, np.ndarray]]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Truth:
    """One planted thing.

    Args:
        oddity: its name in ``schedule.FLAGS``.
        label: the class it concerns; two classes joined by "|" for a swap; "" where it concerns the whole film.
        box: (x0, y0, x1, y1) px on the film, or None where it has no place.
        params: what was drawn for it.
    """

    oddity: str
    label: str = ""
    box: Box | None = None
    params: dict = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """The flag a detector should raise."""
        return FLAGS[self.oddity]


def odd_pose(kind: str | None, pose: Pose, rng: np.random.Generator) -> tuple[Pose, list[Truth]]:
    """The pose with a rotated hand, a bent wrist or bent fingers; unchanged for other kinds."""
    if kind == "rotated":
        angle = float(rng.uniform(45.0, 315.0))
        return replace(pose, rotation=angle), [Truth(kind, params={"fingers_deg": round(angle, 1)})]
    if kind == "bent-wrist":
        ulnar = rng.random() < 0.6
        angle = float(rng.uniform(29.0, 42.0) if ulnar else -rng.uniform(22.0, 32.0))
        params = {"deviation_deg": round(angle, 1), "towards": "ulnar" if ulnar else "radial"}
        return with_wrist(pose, angle), [Truth(kind, params=params)]
    if kind == "bent-finger":
        first = int(rng.integers(1, 5))
        bends = {}
        for ray in range(first, min(5, first + 1 + int(rng.random() < 0.4))):
            bends[ray] = tuple(float(v) for v in rng.uniform((6.0, 38.0, 10.0), (20.0, 60.0, 28.0)))
        truths = [
            Truth(kind, f"finger-{RAYS[ray][2]}", params={"flexion_deg": [round(v, 1) for v in bend]})
            for ray, bend in bends.items()
        ]
        return with_bent_fingers(pose, bends), truths
    return pose, []


def odd_exposure(kind: str | None, exposure: Exposure, rng: np.random.Generator) -> tuple[Exposure, list[Truth]]:
    """The exposure over- or under-done, or the grey scale inverted; unchanged for other kinds."""
    if kind in ("over-exposed", "under-exposed"):
        stops = float(rng.uniform(1.7, 2.6)) * (1.0 if kind == "over-exposed" else -1.0)
        return over_exposed(exposure, stops), [Truth(kind, params={"stops": round(stops, 2)})]
    if kind == "inverted":
        return replace(exposure, inverted=True), [Truth(kind)]
    return exposure, []


def odd_objects(
    kind: str | None, depth: np.ndarray, posed: dict[str, Posed], patient: Patient, view: View, rng: np.random.Generator
) -> list[Truth]:
    """Add a ring, bangle, plate, wires or nail art to the optical depth, in place."""
    makers = {"ring": _ring, "bangle": _bangle, "plate": _plate, "k-wires": _wires, "nail-art": _nail_art}
    if kind not in makers:
        return []
    x, y = view.grid(slice(0, view.size), slice(0, view.size))
    truths = []
    for added, label, params in makers[kind](x, y, posed, patient, rng):
        depth += added
        truths.append(Truth(kind, label, _box(added), params))
    return truths


def odd_labels(kind: str | None, labels: Labels, size: int, rng: np.random.Generator) -> tuple[Labels, list[Truth]]:
    """Swap two labels, leave one out, or shift one polygon; unchanged for other kinds."""
    rings = dict(labels)
    if kind == "label-swapped":
        a, b = _EASILY_SWAPPED[int(rng.integers(len(_EASILY_SWAPPED)))]
        other = {a: b, b: a}
        truth = Truth(kind, f"{a}|{b}", _extent(np.concatenate([rings[a], rings[b]])))
        return [(other.get(name, name), ring) for name, ring in labels], [truth]
    if kind == "label-missing":
        name = labels[int(rng.integers(len(labels)))][0]
        return [(n, ring) for n, ring in labels if n != name], [Truth(kind, name, _extent(rings[name]))]
    if kind == "label-shifted":
        name, ring = labels[int(rng.integers(len(labels) - 2))]
        moved, by = ring, np.zeros(2, dtype=np.int64)
        while not by.any() or moved.min() < 0 or moved.max() > size - 1:
            angle, way = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.035, 0.07) * size
            by = np.rint(way * np.array([np.cos(angle), np.sin(angle)])).astype(np.int64)
            moved = ring + by
        truth = Truth(kind, name, _extent(moved), {"shift_px": by.tolist()})
        return [(n, moved if n == name else r) for n, r in labels], [truth]
    return labels, []


def _ring(x, y, posed, patient, rng):
    ray = int(rng.choice([1, 2, 3, 3, 3, 4]))
    bone = posed[f"finger-{RAYS[ray][1]}"]
    along = float(rng.uniform(0.38, 0.55))
    size = FINGER_SIZE[ray] * patient.scale * patient.flesh
    width, wall, tilt = (float(rng.uniform(*r)) for r in ((2.2, 6.0), (1.1, 1.9), (-14.0, 14.0)))
    added = metal.hoop(x, y, bone, bone.at(0.0, along)[:2], 9.9 * size, wall, width, tilt, metal.MU_GOLD)
    return [(added, bone.solid.name, {"width_mm": round(width, 1), "tilt_deg": round(tilt, 1)})]


def _bangle(x, y, posed, patient, rng):
    bone = posed["Radius"]
    middle = 0.14 * unit_of(patient)  # between radius and ulna
    things = []
    along = 1.0 - float(rng.uniform(0.055, 0.075))
    for _ in range(1 + int(rng.random() < 0.35)):
        width, wall, tilt = (float(rng.uniform(*r)) for r in ((1.8, 6.5), (1.0, 2.4), (4.0, 22.0)))
        radius = float(rng.uniform(29.0, 34.0)) * patient.scale * patient.flesh
        added = metal.hoop(x, y, bone, bone.at(middle, along)[:2], radius, wall, width, tilt, metal.MU_GOLD)
        things.append((added, "", {"width_mm": round(width, 1), "tilt_deg": round(tilt, 1)}))
        along -= (width + 6.0) / bone.solid.length
    return things


def _plate(x, y, posed, patient, rng):
    if rng.random() < 0.3:
        bone, start, stop = posed["Radius"], 0.90, 0.985
        side = float(rng.uniform(-4.0, 4.0))
    else:
        bone = posed[f"finger-{int(rng.choice([7, 11, 15, 19, 10, 14]))}"]
        start, stop = float(rng.uniform(0.10, 0.22)), float(rng.uniform(0.74, 0.86))
        side = float(rng.uniform(-0.8, 0.8))
    added, screws = metal.plate(x, y, bone, start, stop, side, rng)
    return [(added, bone.solid.name, {"screws": screws})]


def _wires(x, y, posed, patient, rng):
    name = str(rng.choice(["Radius", "finger-19", "finger-15", "finger-7", "finger-10", "finger-3"]))
    bone = posed[name]
    radius = float(rng.uniform(0.55, 0.85))
    wide = float(np.max(bone.solid.width)) * (0.9 if name == "Radius" else 1.0)
    high, low = (1.0, 0.925) if name == "Radius" else (float(rng.uniform(0.82, 1.0)), float(rng.uniform(0.15, 0.4)))
    things = []
    for index in range(int(rng.integers(1, 4))):
        sign = 1.0 if index % 2 else -1.0
        inside = bone.at(-sign * wide * rng.uniform(0.2, 0.8), low)[:2]
        entry = bone.at(sign * wide * rng.uniform(0.7, 1.1), high)[:2]
        way = (entry - inside) / np.hypot(*(entry - inside))
        out = entry + way * rng.uniform(8.0, 16.0)
        hook = out + 4.0 * (way * 0.3 + np.array([-way[1], way[0]]) * float(rng.choice([-1.0, 1.0])))
        points = np.array([inside, out, hook] if rng.random() < 0.6 else [inside, out])
        things.append((metal.wire(x, y, points, radius), name, {"diameter_mm": round(2.0 * radius, 2)}))
    return things


def _nail_art(x, y, posed, patient, rng):
    things = []
    full, studded = float(rng.uniform(0.14, 0.40)), rng.random() < 0.6
    extra = float(rng.uniform(0.0, 7.0))
    for ray in range(5) if rng.random() < 0.6 else sorted(rng.permutation(5)[:3].tolist()):
        tip = posed[f"finger-{RAYS[ray][-1]}"]
        half = 5.6 * FINGER_SIZE[ray] * patient.scale
        length = (10.5 + extra) * FINGER_SIZE[ray] * patient.scale
        added = metal.nail(x, y, tip, half, length, full)
        if studded:
            places = rng.uniform((-0.6 * half, 1.5), (0.6 * half, length - 2.0), (int(rng.integers(1, 6)), 2))
            added = added + metal.studs(x, y, tip, places, float(rng.uniform(0.6, 1.1)), 1.6)
        things.append((added, tip.solid.name, {"depth": round(full, 2), "studs": bool(studded)}))
    return things


def _box(added: np.ndarray) -> Box | None:
    rows, columns = np.nonzero(added > 0.01)
    if not len(rows):
        return None
    return float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max())


def _extent(ring: np.ndarray) -> Box:
    (x0, y0), (x1, y1) = ring.min(axis=0), ring.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
