"""How the hand lies on the cassette: the joint angles, and the bones laid out by them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .anatomy import (
    CARPALS,
    FOREARM_AT,
    FOREARM_LENGTH,
    JOINT_ANGLES,
    JOINT_SPREADS,
    JOINT_STEPS,
    METACARPALS,
    RADIUS_ROWS,
    RAYS,
    ULNA_ROWS,
)
from .patient import Patient
from .skeleton import unit_of
from .solid import Posed, Solid, axes_from

_TURN_AT = (-0.02, -0.06)
"""The wrist's centre of rotation, in the capitate's head."""
_RIM_AT = (0.19, -0.20, -66.0)
"""The ulnar end of the radius's joint surface, from the radius's tip, and the direction to its styloid."""
_FIRST_ROW = ("Scaphoid", "Lunate", "Triquetrum", "Pisiform")
_FIRST_ROW_SHARE = 0.35
"""How much of the wrist's deviation the first carpal row takes part in with the forearm."""


@dataclass(frozen=True)
class Pose:
    """Joint angles in degrees.

    Args:
        rotation: where the fingers point on the film, clockwise from up.
        deviation: of the wrist, towards the little finger.
        metacarpals: (5,) added to the direction of each metacarpal.
        swing: for each ray, added to the direction of each further bone.
        bend: for each ray, flexion at each joint from the knuckle outwards.
        roll: (5,) turn of each finger about its own axis.
        bent: rays that are bent on purpose.
    """

    rotation: float
    deviation: float
    metacarpals: np.ndarray
    swing: tuple[np.ndarray, ...]
    bend: tuple[np.ndarray, ...]
    roll: np.ndarray
    bent: tuple[int, ...] = field(default=())


def draw_pose(rng: np.random.Generator) -> Pose:
    """An ordinary frontal view: fingers up within a few degrees, nearly flat, spread more or less."""
    spread = rng.uniform(-4.0, 6.0) * np.array([0.6, -1.0, -0.15, 0.7, 1.5])
    swing = []
    for ray, sizes in enumerate(JOINT_SPREADS):
        step = np.clip(rng.standard_normal(len(sizes)), -1.8, 1.8) * np.array(sizes) * 0.55
        step[0] += spread[ray]
        swing.append(step)
    flat = rng.uniform(0.0, 9.0)
    bend = tuple(np.abs(rng.standard_normal(len(s))) * np.array([3.0, 4.0, 4.0])[: len(s)] + flat * 0.4 for s in swing)
    return Pose(
        rotation=float(np.clip(4.5 * rng.standard_normal(), -12.0, 12.0)),
        deviation=float(np.clip(4.0 + 6.5 * rng.standard_normal(), -10.0, 17.0)),
        metacarpals=np.array([3.5, 0.9, 0.4, 0.7, 1.2]) * rng.standard_normal(5) + 0.8 * spread * np.eye(5)[0],
        swing=tuple(swing),
        bend=bend,
        roll=np.array([9.0, 4.0, 4.0, 4.0, 5.0]) * rng.standard_normal(5),
    )


def with_wrist(pose: Pose, deviation: float) -> Pose:
    """The same hand with the wrist bent sideways, degrees towards the little finger."""
    return replace(pose, deviation=deviation)


def with_bent_fingers(pose: Pose, bends: dict[int, tuple[float, ...]]) -> Pose:
    """The same hand with some fingers bent: ray -> flexion at each of its joints, degrees."""
    bend = tuple(np.array(bends[ray]) if ray in bends else old for ray, old in enumerate(pose.bend))
    return replace(pose, bend=bend, bent=tuple(sorted(bends)))


def lay_out(solids: dict[str, Solid], pose: Pose, patient: Patient) -> dict[str, Posed]:
    """Every bone in the hand's frame (a right hand, fingers towards y, mm), by name."""
    unit = unit_of(patient)
    posed = {}
    for ray, bones in enumerate(RAYS):
        posed.update(_ray(solids, pose, ray, bones, unit))
    for name in CARPALS:
        posed[name] = _carpal(solids[name], pose, unit)
        if f"facet-{name}" in solids:
            posed[f"facet-{name}"] = _inside(posed[name], solids[f"facet-{name}"])
    posed.update(_forearm(solids, pose, unit))
    posed.update(_extras(solids, posed, unit))
    return posed


def _ray(solids: dict[str, Solid], pose: Pose, ray: int, bones: tuple[int, ...], unit: float) -> dict[str, Posed]:
    x, y, angle = METACARPALS[ray]
    angle += float(pose.metacarpals[ray])
    origin, tilt, roll = np.array([x * unit, y * unit, 0.0]), 0.0, 0.3 * float(pose.roll[ray])
    posed = {}
    for place, number in enumerate(bones):
        name = f"finger-{number}"
        if place:
            before = posed[f"finger-{bones[place - 1]}"]
            angle += JOINT_ANGLES[ray][place - 1] + float(pose.swing[ray][place - 1])
            tilt += float(pose.bend[ray][place - 1])
            roll = float(pose.roll[ray])
            gap = (0.001 if place == 1 else 0.002) * unit
            step = JOINT_STEPS[ray][place - 1] * unit
            origin = before.head + before.axes[:, 1] * gap + before.axes[:, 0] * step
        posed[name] = Posed(solids[name], origin, axes_from(angle, tilt, roll))
    return posed


def _carpal(solid: Solid, pose: Pose, unit: float) -> Posed:
    x, y, angle, begin, _ = CARPALS[solid.name]
    direction = axes_from(angle)
    origin = np.array([x, y, 0.0]) * unit + direction[:, 1] * (begin * unit)
    if solid.name in _FIRST_ROW:
        turn = pose.deviation * _FIRST_ROW_SHARE
        return Posed(solid, _turned(origin, turn, unit), axes_from(angle - turn))
    return Posed(solid, origin, direction)


def _inside(bone: Posed, facet: Solid) -> Posed:
    """The facet laid within its bone, towards the head if it is large, towards the base if it is small."""
    share = facet.length / bone.solid.length
    return Posed(facet, bone.at(0.0, (1.0 - share) * (0.06 if share < 0.76 else 0.94)), bone.axes)


def _turned(point: np.ndarray, degrees: float, unit: float) -> np.ndarray:
    """The point turned anticlockwise about the wrist's centre, as the forearm does when the hand leans ulnarly."""
    centre = np.array([_TURN_AT[0] * unit, _TURN_AT[1] * unit, 0.0])
    a = np.radians(degrees)
    c, s = np.cos(a), np.sin(a)
    dx, dy, dz = point - centre
    return centre + np.array([c * dx - s * dy, s * dx + c * dy, dz])


def _forearm(solids: dict[str, Solid], pose: Pose, unit: float) -> dict[str, Posed]:
    posed = {}
    for name, rows, tilt in (("Radius", RADIUS_ROWS, 4.0), ("Ulna", ULNA_ROWS, 0.0)):
        base = np.array([FOREARM_AT[0] * unit, (FOREARM_AT[1] - FOREARM_LENGTH) * unit, 0.0])
        top = base + np.array([0.0, (FOREARM_LENGTH - rows[0][0]) * unit, 0.0])
        axes = axes_from(-pose.deviation, tilt)
        posed[name] = Posed(solids[name], _turned(top, pose.deviation, unit) - axes[:, 1] * solids[name].length, axes)
    return posed


def _extras(solids: dict[str, Solid], posed: dict[str, Posed], unit: float) -> dict[str, Posed]:
    """Bones and knobs without a label: the sesamoids at the knuckles, and what stands out of other bones."""
    places = {
        "sesamoid-1": ("finger-3", 0.075, 0.93),
        "sesamoid-2": ("finger-3", -0.03, 0.90),
        "sesamoid-5": ("finger-19", -0.055, 0.93),
        "hook": ("Hamate", 0.005, 0.58),
        "ridge": ("Trapezium", -0.01, 0.42),
        "tubercle": ("Scaphoid", 0.0, 0.52),
    }
    extras = {
        name: Posed(solids[name], posed[at].at(x * unit, along), posed[at].axes)
        for name, (at, x, along) in places.items()
    }
    radius = posed["Radius"]
    corner = radius.at(_RIM_AT[0] * unit, 1.0 + _RIM_AT[1] / FOREARM_LENGTH)
    extras["rim"] = Posed(solids["rim"], corner, radius.axes @ axes_from(_RIM_AT[2]))
    return extras
