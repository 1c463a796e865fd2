"""From silhouettes to polygons, and from polygons to the competition's label file."""

from __future__ import annotations

import cv2
import numpy as np
from shapely.geometry import Polygon

from .anatomy import CLASSES

_WRONG_SIZE = 3060
"""What the competition's files say of every picture's size: wrong, and kept wrong."""
_KERNEL = np.ones((3, 3), dtype=np.uint8)


def outline(mask: np.ndarray, corner: tuple[int, int]) -> np.ndarray | None:
    """The silhouette's border as a chain of pixels.

    Args:
        mask: (h, w) bool, a box of the film.
        corner: (row, column) of the box on the film.

    Returns:
        (n, 2) int64 x, y on the film, a valid ring; None when nothing of the bone is left after single-pixel spurs
        are cut off. Painted with ``cv2.fillPoly`` it gives back the mask without its spurs.
    """
    body = cv2.morphologyEx(np.pad(mask.astype(np.uint8), 2), cv2.MORPH_OPEN, _KERNEL)
    chains, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(corner[1] - 2, corner[0] - 2))
    if not chains:
        return None
    chain = max(chains, key=cv2.contourArea)[:, 0].astype(np.int64)
    if len(chain) < 8:
        return None
    if Polygon(chain).is_valid:
        return chain
    whole = Polygon(chain).buffer(0)
    largest = max(getattr(whole, "geoms", [whole]), key=lambda part: part.area)
    return np.array(largest.exterior.coords[:-1], dtype=np.int64)


def outlines(silhouettes: dict[str, tuple[tuple[int, int], np.ndarray]]) -> dict[str, np.ndarray]:
    """Class name -> (n, 2) int64 polygon, in the canonical order; bones without a class are left out."""
    rings = {name: outline(silhouettes[name][1], silhouettes[name][0]) for name in CLASSES if name in silhouettes}
    return {name: ring for name, ring in rings.items() if ring is not None}


def label_file(labels: list[tuple[str, np.ndarray]], stem: str, folder: str, rng: np.random.Generator) -> dict:
    """The competition's JSON for one film, quirks included.

    Args:
        labels: (class, (n, 2) int polygon) in file order.
        stem: the picture's name without its ending.
        folder: "ID001".
        rng: for the made-up ids.
    """
    return {
        "annotations": [
            {
                "id": f"{index}-{_hex(rng, 8)}-{_hex(rng, 4)}-4{_hex(rng, 3)}-9{_hex(rng, 3)}-{_hex(rng, 12)}",
                "type": "poly_seg",
                "attributes": {},
                "points": polygon.tolist(),
                "label": name,
            }
            for index, (name, polygon) in enumerate(labels, start=1)
        ],
        "attributes": {},
        "file_id": _hex(rng, 24),
        "filename": f"{stem}.jpg",
        "parent_path": f"/{folder}",
        "last_modifier_id": _hex(rng, 24),
        "metadata": {"height": _WRONG_SIZE, "width": _WRONG_SIZE},
        "last_workers": {"라벨링": _hex(rng, 24), "검수": _hex(rng, 24)},
    }


def _hex(rng: np.random.Generator, digits: int) -> str:
    return "".join("0123456789abcdef"[k] for k in rng.integers(0, 16, digits))
