"""One film seen through another, inside a ring."""

import cv2
import numpy as np
import pytest

from curate.sample.blend import Surroundings, attenuate_inside


def disc(radius: float) -> np.ndarray:
    mask = np.zeros((160, 160), np.uint8)
    cv2.circle(mask, (80, 80), round(radius), 1, -1)
    return mask.astype(bool)


def test_a_bone_among_bones_keeps_its_density_when_its_neighbours_are_told():
    inside, bone = disc(38), disc(30)
    alone = np.full((160, 160), 60, np.uint8)  # soft tissue
    alone[bone] = 150
    among = alone.copy()
    angle = np.degrees(np.arctan2(*(np.indices((160, 160)) - 80)))
    among[(angle > -90) & ~disc(34)] = 160  # three quarters of what lies round the ring are other bones
    below = np.full((160, 160), 60, np.uint8)
    expected = attenuate_inside(below, alone, inside, 1.0, 6.0)
    faint = attenuate_inside(below, among, inside, 1.0, 6.0)
    told = attenuate_inside(below, among, inside, 1.0, 6.0, Surroundings(16, 0.75))
    middle = disc(20)
    assert expected[middle].mean() == pytest.approx(150, abs=1)
    assert told[middle].mean() == pytest.approx(150, abs=1)
    assert faint[middle].mean() < 120
    assert np.array_equal(told[~inside], below[~inside])
    assert np.array_equal(attenuate_inside(below, alone, inside, 1.0, 6.0, Surroundings(16)), expected)
