"""A tiny labelled data set, made in milliseconds, for tests of everything but the look of films."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from curate.sample.image import write_png
from tests.shapes import star

BONES = {"Radius": (0.3, 0.75), "Ulna": (0.7, 0.75), "Scaphoid": (0.5, 0.5), "finger-7": (0.5, 0.25)}
"""Where each bone lies, as shares of the picture; the hand is upright."""


def tiny_set(root: Path, patients: int = 6, films: int = 2, size: int = 96, seed: int = 0) -> Path:
    """``patients`` folders of ``films`` noisy films with four labels each, in the competition's layout."""
    rng = np.random.default_rng(seed)
    for patient in range(patients):
        for number in range(films):
            folder, name = f"ID{3 * patient + 1:03d}", f"image{1660000000000 + 100 * patient + number}"
            film = rng.integers(0, 60, (size, size), dtype=np.uint8)
            annotations = []
            for k, (label, place) in enumerate(BONES.items()):
                centre = (size * place[0], size * place[1])
                shape = star(rng, 14, centre, size / 4)
                points = np.unique(np.rint(np.array(shape.exterior.coords[:-1])), axis=0).astype(int)
                angle = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
                points = points[np.argsort(angle, kind="stable")]
                film[points[:, 1].clip(0, size - 1), points[:, 0].clip(0, size - 1)] = 255
                annotations.append(
                    {"id": f"{k}-{patient}{number}", "type": "poly_seg", "attributes": {}, "points": points.tolist(),
                     "label": label}
                )
            write_png(root / "DCM" / folder / f"{name}.png", film)
            place = root / "outputs_json" / folder / f"{name}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            wrong = {"height": 3060, "width": 3060}  # as in the competition
            document = {"annotations": annotations, "filename": f"{name}.jpg", "metadata": wrong}
            place.write_text(json.dumps(document))
    return root
