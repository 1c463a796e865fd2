"""The picture in docs/superres.md: what each network draws, alone and held to the film.

    python -m benchmarks.superres.picture docs/img/superres.png [--data DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from augment.superres.engine import load_network
from augment.superres.restore import Settings, bicubic_picture, restore
from augment.superres.weights import find_weights
from benchmarks.superres.__main__ import DATA, Remembering
from curate.sample.image import read_image, write_png

PLACES = (("ID006/image1692090103784.png", 1051, 1465), ("ID001/image1699810203328.png", 565, 1544))
"""FracAtlas IMG0000035 (Abedeen et al., CC BY 4.0), carpal bones; Mikael Häggström (CC0), a metacarpal head."""
EDGE = 112
ZOOM = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    options = parser.parse_args()
    networks = {}
    for model in ("animevideov3", "x4plus-anime"):
        found = find_weights(model)
        networks[model] = Remembering(load_network(found.model, found.digest))
    rows = []
    for name, x, y in PLACES:
        gray = read_image(options.data / "hands29" / "DCM" / name).gray[y : y + EDGE, x : x + EDGE]
        gray = np.ascontiguousarray(gray)
        shown = [("film", gray), ("bicubic and back", bicubic_picture(gray.astype(np.float32), Settings()))]
        for model, network in networks.items():
            shown.append((f"{model[:12]} alone", restore(gray, network, Settings(strength=1.0, rounds=0))))
            shown.append((f"{model[:12]}, held", restore(gray, network, Settings())))
        rows.append(np.hstack([_panel(text, np.rint(np.clip(p, 0, 255)).astype(np.uint8)) for text, p in shown]))
    write_png(options.out, np.vstack(rows))


def _panel(text: str, picture: np.ndarray) -> np.ndarray:
    big = cv2.resize(picture, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
    big = cv2.copyMakeBorder(big, 20, 4, 2, 2, cv2.BORDER_CONSTANT, value=255)
    cv2.putText(big, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 0, 1, cv2.LINE_AA)
    return big


if __name__ == "__main__":
    main()
