"""One film: patient, pose, shadow, exposure, labels, and what was planted in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .anatomy import CLASSES, RAYS
from .bones import MU_FLESH, Shadow, cast
from .detector import develop, draw_exposure
from .labels import outlines
from .marker import Marker, add_collimator, add_marker
from .metal import nail
from .oddities import Labels, Truth, odd_exposure, odd_labels, odd_objects, odd_pose
from .patient import Patient, draw_patient
from .pose import Pose, draw_pose, lay_out
from .skeleton import build_skeleton
from .solid import Posed
from .texture import Lattice
from .tissue import FINGER_SIZE, flesh_paths
from .view import View, frame_hand


@dataclass(frozen=True)
class Film:
    """A simulated radiograph and its truth.

    Args:
        image: (size, size) uint8.
        labels: (class, (n, 2) int64 polygon) in file order, as they are written, planted faults included.
        truths: what was planted; empty for a plain film.
        shadow: the bones' silhouettes before any fault was planted.
        patient, left, pose: who, which hand, and how it lay.
        marker: the side letter, if there was room for one.
    """

    image: np.ndarray
    labels: Labels
    truths: tuple[Truth, ...]
    shadow: Shadow
    patient: Patient
    left: bool
    pose: Pose
    marker: Marker | None


def make_film(seed: int, number: int, size: int, oddity: str | None = None) -> Film:
    """Film ``number`` of the data set ``seed``: patient ``number // 2``, right hand first.

    The film is the same whatever else is in the data set. The oddity draws from its own generator: without it the
    same hand comes out plain.
    """
    patient_number, hand = divmod(number, 2)
    left = hand == 1
    patient = draw_patient(seed, patient_number)
    rng = np.random.default_rng([seed, patient_number, hand])
    odd = np.random.default_rng([seed, patient_number, hand, 6])

    pose, truths = odd_pose(oddity, draw_pose(rng), odd)
    posed = lay_out(build_skeleton(patient, seed), pose, patient)
    view = frame_hand(posed, pose, left, size, rng)
    flesh = flesh_paths(posed, pose, patient, view)
    shadow = cast(posed, view, rng)
    depth = _hand_depth(flesh, shadow, posed, patient, view, rng)
    truths += odd_objects(oddity, depth, posed, patient, view, odd)
    add_collimator(depth, flesh, rng)
    marker = add_marker(depth, flesh, view, left, rng)
    exposure, more = odd_exposure(oddity, draw_exposure(rng), odd)
    image = develop(depth, exposure, rng)

    labels = _shuffled(list(outlines(shadow.silhouettes).items()), rng)
    labels, faults = odd_labels(oddity, labels, size, odd)
    truths = [_placed(truth, posed, view) for truth in truths + more + faults]
    return Film(image, labels, tuple(truths), shadow, patient, left, pose, marker)


def _hand_depth(
    flesh: np.ndarray,
    shadow: Shadow,
    posed: dict[str, Posed],
    patient: Patient,
    view: View,
    rng: np.random.Generator,
) -> np.ndarray:
    """(size, size) optical depth of the hand: flesh where there is no bone, bone, and finger nails."""
    depth = shadow.attenuation.copy()
    soft = flesh > 0.0
    depth[soft] += MU_FLESH * np.maximum(flesh - shadow.displaced, 0.0)[soft] * _clouds(view, soft, rng)
    for ray in range(5):
        tip = posed[f"finger-{RAYS[ray][-1]}"]
        rows, columns = view.box(np.array([tip.origin, tip.head + 8.0 * tip.axes[:, 1]]), round(9.0 / view.mm))
        x, y = view.grid(rows, columns)
        width = FINGER_SIZE[ray] * patient.scale
        depth[rows, columns] += nail(x, y, tip, 5.2 * width, 10.0 * width, 0.014)
    return depth


def _clouds(view: View, soft: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) around 1, for the n pixels that are ``soft``: muscle, fat and tendon are not one stuff."""
    lattice = Lattice(rng)
    x, y = (axis[soft] for axis in view.grid(slice(0, view.size), slice(0, view.size)))
    streaks = lattice.noise(x / 3.0, y / 16.0, 1)
    clouds = lattice.noise(x / 11.0, y / 14.0, 2)
    fat = lattice.noise(x / 1.6, y / 2.2, 3)
    return 1.0 + 0.05 * (streaks - 0.5) + 0.08 * (clouds - 0.5) + 0.035 * (fat - 0.5)


def _shuffled(labels: Labels, rng: np.random.Generator) -> Labels:
    """Files list the bones in the annotator's order, not in the classes'."""
    fingers = [item for item in labels if item[0].startswith("finger")]
    others = [item for item in labels if not item[0].startswith("finger")]
    order = rng.permutation(len(others))
    return fingers + [others[k] for k in order]


def _placed(truth: Truth, posed: dict[str, Posed], view: View) -> Truth:
    """A bent finger gets its box from where its bones fell on the film."""
    if truth.oddity != "bent-finger" or truth.label not in CLASSES:
        return truth
    ray = next(bones for bones in RAYS if truth.label in {f"finger-{k}" for k in bones})
    px = view.to_pixels(np.concatenate([posed[f"finger-{k}"].corners() for k in ray[1:]]))
    low, high = np.clip(px.min(axis=0), 0, view.size - 1), np.clip(px.max(axis=0), 0, view.size - 1)
    return replace(truth, box=tuple(float(round(v)) for v in (*low, *high)))
