"""The bones of one patient as solids, from the mean hand and the patient's own build."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .anatomy import CARPALS, FOREARM_LENGTH, KNOTS, LENGTHS, METACARPAL_MM, RADIUS_ROWS, RAYS, ULNA_ROWS
from .outlines import OUTLINES
from .patient import Patient
from .solid import Solid

_CARPAL_DEPTH_MM = {
    "Trapezium": 7.0, "Trapezoid": 6.5, "Capitate": 9.0, "Hamate": 8.0, "Scaphoid": 6.5, "Lunate": 8.0,
    "Triquetrum": 6.5, "Pisiform": 5.5,
}  # fmt: skip
EXTRAS = {
    "sesamoid-1": (4.6, 0.9), "sesamoid-2": (4.2, 0.9), "sesamoid-5": (2.6, 0.9),
    "hook": (8.0, 0.0), "ridge": (7.0, 0.0), "tubercle": (7.5, 0.0),
}  # fmt: skip
"""Bones and bony knobs that carry no label: length in mm, and how dense they are inside. The sesamoids are bones of
their own; the others lie within a labelled bone and draw the rings and arcs that its knobs draw on a film."""
_STEP_MM = 0.1


def unit_of(patient: Patient) -> float:
    """mm of one metacarpal length (the unit of ``anatomy``)."""
    return METACARPAL_MM * patient.scale


def build_skeleton(patient: Patient, seed: int) -> dict[str, Solid]:
    """The 29 labelled bones and the sesamoids of one patient, by name."""
    rng = np.random.default_rng([seed, patient.number, 3])
    solids = {}
    for ray, bones in enumerate(RAYS):
        for place, number in enumerate(bones):
            name = f"finger-{number}"
            length = LENGTHS[name] * unit_of(patient) * patient.rays[ray] * (1.0 + 0.012 * rng.standard_normal())
            solids[name] = _long_bone(name, length, _kind(ray, place), patient, rng)
    for name in CARPALS:
        solids[name] = _carpal(name, patient, rng)
        if name != "Pisiform":
            solids[f"facet-{name}"] = _facet(solids[name], rng)
    solids["Radius"] = _forearm("Radius", RADIUS_ROWS, 0.62, 2.4, patient, rng)
    solids["Ulna"] = _forearm("Ulna", ULNA_ROWS, 0.95, 2.2, patient, rng)
    solids["rim"] = _rim(patient, rng)
    for name, (size, marrow) in EXTRAS.items():
        solids[name] = _pebble(name, size * patient.scale * (1.0 + 0.12 * rng.standard_normal()), marrow, patient)
    return solids


def _kind(ray: int, place: int) -> str:
    names = ("metacarpal", "proximal", "distal") if ray == 0 else ("metacarpal", "proximal", "middle", "distal")
    return names[place]


def _long_bone(name: str, length: float, kind: str, patient: Patient, rng: np.random.Generator) -> Solid:
    v = _steps(length)
    centre, width = _outline(name, v, rng)
    centre, width = centre * length, width * length * patient.slender * (1.0 + 0.02 * rng.standard_normal())
    shaft = _shaft(v, 0.24, 0.20)
    thick = {"metacarpal": 1.75, "proximal": 1.5, "middle": 1.15, "distal": 0.75}[kind] * patient.scale * patient.cortex
    deep = {"metacarpal": (0.95, 1.12), "proximal": (0.80, 0.76), "middle": (0.72, 0.66), "distal": (0.66, 0.60)}[kind]
    hollow = {"metacarpal": (0.0, 0.0), "proximal": (0.045, 0.01), "middle": (0.025, 0.012), "distal": (0.04, 0.0)}
    hollow = hollow[kind]
    if name in ("finger-2", "finger-3"):
        hollow = (0.045, hollow[1])
    if name == "finger-7":
        hollow = (0.04, 0.0)
    cortex = 0.42 + (thick - 0.42) * shaft
    return Solid(
        name=name,
        length=length,
        centre=centre,
        width=width,
        depth=width * (deep[0] + (deep[1] - deep[0]) * shaft),
        cortex=np.minimum(cortex, 0.62 * width + 0.02),
        marrow=patient.density * _marrow(v, shaft, hollow_shaft=0.22 if kind != "distal" else 0.45),
        notch=(hollow[0] * length, hollow[1] * length),
        caps=(0.55 * patient.cortex + 0.15, 0.42 * patient.cortex + 0.1),
        grain=(0.6, 2.2),
    )


def _carpal(name: str, patient: Patient, rng: np.random.Generator) -> Solid:
    unit = unit_of(patient)
    length = (CARPALS[name][4] - CARPALS[name][3]) * unit + 1.2
    v = _steps(length)
    centre, width = _outline(name, v, rng)
    width = np.maximum(width * unit + 0.65, 0.12)
    full = width / np.max(width)
    return Solid(
        name=name,
        length=length,
        centre=centre * unit,
        width=width,
        depth=_CARPAL_DEPTH_MM[name] * patient.scale * full**0.55,
        cortex=np.minimum(np.full_like(v, 0.62 * patient.cortex + 0.08), 0.6 * width),
        marrow=np.full_like(v, 0.82 * patient.density),
        caps=(0.5, 0.5),
        grain=(0.62, 1.0),
    )


def _facet(bone: Solid, rng: np.random.Generator) -> Solid:
    """The smaller outline that a carpal's near or far side draws within its silhouette: a thin shell, nothing more."""
    shrink = rng.uniform(0.66, 0.86)
    aside = float(rng.choice([-1.0, 1.0])) * 0.9 * (1.0 - shrink) * float(np.max(bone.width))
    width = np.maximum(shrink * bone.width, 0.1)
    return Solid(
        name=f"facet-{bone.name}",
        length=shrink * bone.length,
        centre=shrink * bone.centre + aside,
        width=width,
        depth=np.maximum(0.55 * bone.depth, 0.1),
        cortex=np.minimum(0.3 * bone.cortex, 0.5 * width),
        marrow=np.zeros_like(width),
        caps=(0.25, 0.25),
    )


def _forearm(name: str, rows: tuple, deep: float, thick: float, patient: Patient, rng: np.random.Generator) -> Solid:
    unit = unit_of(patient)
    rows = np.array(rows)[::-1]
    top = rows[-1, 0]
    length = (FOREARM_LENGTH - top) * unit
    v = _steps(length)
    below = FOREARM_LENGTH - v * (FOREARM_LENGTH - top)
    at = FOREARM_LENGTH - rows[:, 0]
    left, right = (PchipInterpolator(at, rows[:, k])(FOREARM_LENGTH - below) for k in (1, 2))
    wobble = 1.0 + 0.03 * rng.standard_normal()
    centre, width = (left + right) / 2.0 * unit, np.maximum((right - left) / 2.0 * unit * wobble, 0.3)
    deep_end = _smooth((below - 0.55) / -0.45)
    shaft = _smooth((below - 0.28) / 0.75)
    plate = 0.6 * np.exp(-(((below - top) / 0.13) ** 2))  # dense bone under the joint surface
    scar = np.exp(-(((below - 0.27 - 0.02 * rng.standard_normal()) / 0.016) ** 2)) * rng.uniform(0.0, 0.3)
    return Solid(
        name=name,
        length=length,
        centre=centre,
        width=width,
        depth=width * (1.0 + (deep - 1.0) * deep_end),
        cortex=np.minimum((0.55 + plate + (thick * patient.cortex - 0.55) * shaft) * patient.scale, 0.55 * width),
        marrow=patient.density * (0.28 + 0.5 * (1.0 - shaft) + 0.25 * np.exp(-below / 0.22) + scar),
        caps=(0.5, 0.9),
        grain=(0.55, 2.6),
    )


def _rim(patient: Patient, rng: np.random.Generator) -> Solid:
    """The dense hollow plate under the radius's joint surface, seen edge on."""
    unit = unit_of(patient)
    v = _steps(0.33 * unit)
    bow = np.sin(np.pi * v)
    return Solid(
        name="rim",
        length=0.33 * unit,
        centre=-0.028 * unit * bow,
        width=(0.25 + 0.6 * bow) * patient.scale,
        depth=(0.5 + 2.0 * bow) * patient.scale,
        cortex=np.full_like(v, 0.05),
        marrow=np.full_like(v, patient.density * rng.uniform(0.9, 1.6)),
        caps=(0.05, 0.05),
    )


def _pebble(name: str, size: float, marrow: float, patient: Patient) -> Solid:
    v = _steps(size)
    width = np.maximum(np.sqrt(np.maximum(1.0 - (2.0 * v - 1.0) ** 2, 0.0)) * size * 0.46, 0.05)
    thin = np.minimum(np.full_like(v, (0.42 if marrow else 0.24) * patient.cortex), 0.5 * width)
    full = np.full_like(v, marrow * patient.density)
    return Solid(name, size, np.zeros_like(v), width, width, thin, full, caps=(0.2, 0.2), grain=(0.9, 0.9))


def _steps(length: float) -> np.ndarray:
    count = max(64, round(length / _STEP_MM))
    return (np.arange(count) + 0.5) / count


def _outline(name: str, v: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centre and half width along the axis in the table's unit, with this patient's smooth departures from the mean."""
    left, right = (np.array(row.split(), dtype=np.float64) / 1000.0 for row in OUTLINES[name])
    centre, width = (left + right) / 2.0, np.maximum((right - left) / 2.0, 0.004)
    waves = np.sin(np.pi * np.outer(KNOTS, [1.0, 2.0, 3.0]))
    width = width * (1.0 + 0.018 * (waves @ rng.standard_normal(3)))
    centre = centre + 0.03 * np.max(width) * (waves @ rng.standard_normal(3)) * 0.5
    return PchipInterpolator(KNOTS, centre)(v), np.maximum(PchipInterpolator(KNOTS, width)(v), 0.003)


def _shaft(v: np.ndarray, base: float, head: float) -> np.ndarray:
    """0 at the joint ends, 1 along the shaft."""
    return _smooth((v - 0.06) / base) * _smooth((0.96 - v) / head)


def _marrow(v: np.ndarray, shaft: np.ndarray, hollow_shaft: float) -> np.ndarray:
    ends = 0.40 * np.exp(-((v / 0.045) ** 2)) + 0.18 * np.exp(-(((1.0 - v) / 0.06) ** 2))
    return 0.80 + (hollow_shaft - 0.80) * shaft + ends


def _smooth(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
