"""Who is on the film: the person behind the two hands, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Patient:
    """One person.

    Args:
        number: 0, 1, 2, ... in the order of writing.
        age: years. sex: "M" or "F". height: cm. weight: kg.
        scale: size of the hand, 1 is the mean adult. slender: width of bones for their length, 1 is the mean.
        density: mineral of the spongy bone, 1 at thirty. cortex: thickness of the shells, 1 at thirty.
        flesh: thickness of the soft tissue, 1 is the mean.
        rays: (5,) length of each finger, 1 is the mean.
    """

    number: int
    age: int
    sex: str
    height: int
    weight: int
    scale: float
    slender: float
    density: float
    cortex: float
    flesh: float
    rays: np.ndarray


def draw_patient(seed: int, number: int) -> Patient:
    """The patient of this number: the same whatever the size of the data set."""
    rng = np.random.default_rng([seed, number, 2])
    sex = "M" if rng.random() < 0.5 else "F"
    age = int(rng.integers(19, 79))
    height = round(float((172.5 if sex == "M" else 159.5) + 6.0 * rng.standard_normal()))
    index = float(np.clip(23.2 + 2.8 * rng.standard_normal(), 17.0, 34.0))
    weight = round(index * (height / 100.0) ** 2)
    loss = max(age - 40, 0) / 40.0 * (0.34 if sex == "F" else 0.20)
    return Patient(
        number=number,
        age=age,
        sex=sex,
        height=height,
        weight=weight,
        scale=height / 167.0 * float(np.clip(1.0 + 0.03 * rng.standard_normal(), 0.92, 1.08)),
        slender=(1.04 if sex == "M" else 0.97) * float(np.clip(1.0 + 0.04 * rng.standard_normal(), 0.9, 1.1)),
        density=float(np.clip((1.0 - loss) * (1.0 + 0.10 * rng.standard_normal()), 0.5, 1.3)),
        cortex=float(np.clip((1.0 - 0.8 * loss) * (1.0 + 0.08 * rng.standard_normal()), 0.55, 1.25)),
        flesh=float(np.clip(1.0 + 0.018 * (index - 23.2) + 0.03 * rng.standard_normal(), 0.88, 1.18)),
        rays=np.clip(1.0 + 0.025 * rng.standard_normal(5), 0.94, 1.06),
    )
