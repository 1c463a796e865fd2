"""What is special to hands, and nothing else is: the 29 bones in canonical order, and how they lie together."""

from __future__ import annotations

HAND_BONES = (
    *(f"finger-{k}" for k in range(1, 20)),
    "Trapezium",
    "Trapezoid",
    "Capitate",
    "Hamate",
    "Scaphoid",
    "Lunate",
    "Triquetrum",
    "Pisiform",
    "Radius",
    "Ulna",
)
"""Classes 0 to 28. finger-1 to 3 are the thumb, tip to metacarpal; then four a finger, index to little, tip first."""

THUMB = ("finger-1", "finger-2", "finger-3")
FINGERS = tuple(tuple(f"finger-{4 + 4 * f + k}" for k in range(4)) for f in range(4))
"""Index, middle, ring, little: distal, middle and proximal phalanx, metacarpal."""

FINGERTIPS = ("finger-1", *(finger[0] for finger in FINGERS))
METACARPALS = (THUMB[-1], *(finger[-1] for finger in FINGERS))
CARPALS = HAND_BONES[19:27]
FOREARM = ("Radius", "Ulna")

REGIONS = {
    "carpal": CARPALS,
    "fingertips": FINGERTIPS,
    "thumb": THUMB,
    "index": FINGERS[0],
    "middle": FINGERS[1],
    "ring": FINGERS[2],
    "little": FINGERS[3],
    "fingers": tuple(bone for finger in FINGERS for bone in finger),
    "metacarpals": METACARPALS,
    "forearm": FOREARM,
}
"""Regions of the hand by name."""
