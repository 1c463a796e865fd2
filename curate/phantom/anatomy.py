"""The mean hand: outlines, lengths and places of 29 bones, as numbers.

Everything is in units of one metacarpal length (the mean of the index and middle metacarpals, about 65 mm in an adult)
or, where said, in thousandths of it. The hand frame has x to the right, y towards the fingers and z towards the tube;
it shows a right hand (thumb on the left), its origin in the capitate. Angles are degrees clockwise from y.

The numbers are medians over the outlines of eight frontal films of adults (one CC0, seven of the FracAtlas set,
CC BY 4.0), aligned on the carpal bones by Procrustes analysis: they describe no single film.
"""

from __future__ import annotations

import numpy as np

CLASSES = (
    *(f"finger-{i}" for i in range(1, 20)),
    "Trapezium", "Trapezoid", "Capitate", "Hamate", "Scaphoid", "Lunate", "Triquetrum", "Pisiform", "Radius", "Ulna",
)  # fmt: skip

RAYS = ((3, 2, 1), (7, 6, 5, 4), (11, 10, 9, 8), (15, 14, 13, 12), (19, 18, 17, 16))
"""Thumb to little finger, each from the metacarpal to the tip, as the numbers in ``finger-N``."""

METACARPAL_MM = 65.0

KNOTS = (1.0 - np.cos(np.pi * (np.arange(20) + 0.5) / 20.0)) / 2.0
"""Where along a bone its outline is given: fractions of its length, dense at both ends."""

# metacarpal of each ray: its base (x, y) and its direction
METACARPALS = (
    (-0.420, 0.027, -42.0), (-0.223, 0.105, -11.3), (-0.046, 0.175, -0.5), (0.116, 0.180, 7.8), (0.273, 0.112, 15.4),
)  # fmt: skip
# what each next bone of a ray adds to the direction of the one before it
JOINT_ANGLES = ((14.1, -5.6), (3.4, 0.6, 5.3), (-2.1, 0.5, 3.2), (-2.6, 1.5, -2.3), (-3.2, -0.5, -7.3))
# the film-to-film spread of the angle at the root of each finger
JOINT_SPREADS = ((5.0, 9.0), (4.0, 2.5, 2.5), (4.0, 2.0, 2.0), (4.0, 2.5, 2.0), (5.0, 3.0, 3.0))
# sideways step from the head of one bone to the base of the next
JOINT_STEPS = (
    (0.040, 0.010), (0.007, -0.008, 0.001), (-0.010, 0.001, 0.001), (-0.002, 0.010, 0.001), (-0.008, 0.007, 0.001),
)  # fmt: skip

LENGTHS = {
    "finger-1": 0.320, "finger-2": 0.481, "finger-3": 0.699, "finger-4": 0.240, "finger-5": 0.331,
    "finger-6": 0.617, "finger-7": 1.052, "finger-8": 0.256, "finger-9": 0.416, "finger-10": 0.692,
    "finger-11": 0.979, "finger-12": 0.267, "finger-13": 0.399, "finger-14": 0.639, "finger-15": 0.865,
    "finger-16": 0.247, "finger-17": 0.281, "finger-18": 0.503, "finger-19": 0.801,
}

# carpals: centre (x, y), direction of the long axis, and where along it the outline begins and ends
CARPALS = {
    "Trapezium": (-0.311, 0.025, 28, -0.114, 0.107),
    "Trapezoid": (-0.224, 0.064, -83, -0.086, 0.080),
    "Capitate": (-0.017, 0.011, 1, -0.167, 0.173),
    "Hamate": (0.159, 0.052, 25, -0.154, 0.119),
    "Scaphoid": (-0.158, -0.149, -33, -0.160, 0.130),
    "Lunate": (0.084, -0.227, -87, -0.117, 0.106),
    "Triquetrum": (0.242, -0.096, 35, -0.108, 0.113),
    "Pisiform": (0.273, -0.130, 0, -0.096, 0.089),
}

# Radius and ulna hang from the point (x, y) in the wrist; their y runs from the elbow (0) to the hand.
FOREARM_AT = (-0.12, -0.172)
FOREARM_LENGTH = 4.2
# (distance below the highest point of the radius, left, right), all in the forearm's own frame
RADIUS_ROWS = (
    (0.000, -0.172, -0.142), (0.010, -0.183, -0.126), (0.030, -0.195, -0.108), (0.060, -0.203, -0.066),
    (0.090, -0.207, -0.008),
    (0.120, -0.209, 0.108), (0.150, -0.209, 0.205), (0.200, -0.203, 0.238), (0.250, -0.190, 0.234),
    (0.300, -0.176, 0.219),
    (0.350, -0.163, 0.200), (0.400, -0.150, 0.184), (0.500, -0.128, 0.160), (0.650, -0.106, 0.136),
    (0.900, -0.092, 0.114),
    (1.300, -0.086, 0.108), (2.200, -0.090, 0.106), (4.200, -0.095, 0.102),
)  # fmt: skip
ULNA_ROWS = (
    (0.100, 0.414, 0.438), (0.110, 0.406, 0.450), (0.130, 0.399, 0.460), (0.150, 0.392, 0.466),
    (0.168, 0.345, 0.470),
    (0.190, 0.296, 0.474), (0.225, 0.272, 0.482), (0.260, 0.268, 0.492), (0.310, 0.276, 0.492),
    (0.360, 0.288, 0.482),
    (0.430, 0.300, 0.466), (0.520, 0.304, 0.456), (0.700, 0.304, 0.450), (1.200, 0.300, 0.448),
    (2.200, 0.302, 0.455),
    (4.200, 0.310, 0.470),
)  # fmt: skip
