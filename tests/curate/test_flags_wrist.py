"""The angle between hand and forearm, read off the heads' maps."""

from __future__ import annotations

import numpy as np
import pytest

from curate.flags import Film
from curate.flags.bent_wrist import look
from curate.flags.heads import CELLS
from curate.flags.perception import Perception


def film(bend: float, length: float, noise: float = 0.0, arm: bool = True) -> Film:
    """A film whose maps hold a hand that points up and a forearm under it turned by ``bend`` degrees, with arrows of
    ``length``; ``noise``: the spread of the forearm's arrows, degrees."""
    rng = np.random.default_rng(0)
    layers = {name: np.full((48, 40), -8.0, np.float32) for name in CELLS}
    x, y = layers["direction-x"], layers["direction-y"]
    x[:], y[:] = 0, 0
    layers["hand"][8:28, 12:28] = 6
    y[8:28, 12:28] = -length
    if arm:
        layers["forearm"][28:40, 14:26] = 6
        turn = np.radians(bend + rng.normal(0, noise, (12, 12)))
        x[28:40, 14:26], y[28:40, 14:26] = length * np.sin(turn), -length * np.cos(turn)
    out = Film("x", "x", pixels=lambda: np.zeros((384, 320), np.uint8), digest="d")
    out.__dict__["seen"] = Perception(layers, (8.0, 8.0), {})
    return out


@pytest.mark.parametrize("length", [0.15, 0.9])
@pytest.mark.parametrize("bend", [0, 10, -40, 60])
def test_the_angle_is_read_however_short_the_arrows(bend, length):
    found = look(film(bend, length))
    assert found.measures["wrist_deg"] == pytest.approx(abs(bend), abs=0.2)
    assert (found.score >= 0.5) == (abs(bend) > 28)


def test_a_forearm_whose_arrows_disagree_has_no_axis():
    assert look(film(40, 0.5, noise=20)).score > 0.5
    assert look(film(40, 0.5, noise=90)).score == 0


def test_without_a_forearm_there_is_nothing_to_compare():
    found = look(film(40, 0.9, arm=False))
    assert found.score == 0
    assert "not both there" in found.why
