"""Peak memory of a 2048 x 2048 film enlarged by four, for each network.

    python -m benchmarks.superres.memory --models x4plus x4plus-anime

A large network takes hours for such a film on a processor, and every tile needs what the first one did: only the first
is computed, the others are repeated pixels. Arrays, tiles, blending and back-projection are those of a real film.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from functools import partial

import numpy as np

from augment.superres.network import Network, network_of
from augment.superres.restore import Settings, restore
from augment.superres.weights import find_weights


class FirstTileOnly:
    """A network that computes one tile and repeats the pixels of the others."""

    def __init__(self, network: Network):
        self.network, self.scale, self.halo, self.batch = network, network.scale, network.halo, network.batch
        self.computed = 0

    def __call__(self, tiles: np.ndarray, margin: int) -> np.ndarray:
        if not self.computed:
            self.computed = tiles.shape[0]
            return self.network(tiles, margin)
        inner = tiles[:, margin : tiles.shape[1] - margin, margin : tiles.shape[2] - margin]
        return inner.repeat(self.scale, 1).repeat(self.scale, 2)


def measure(model: str, edge: int, tile: int) -> tuple[float, float]:
    """(peak resident MB of this process, seconds) for one film."""
    film = np.random.default_rng(0).integers(0, 256, (edge, edge), dtype=np.uint8)
    start = time.process_time()
    restore(film, FirstTileOnly(network_of(find_weights(model))), Settings(scale=4, enlarge=True, tile=tile))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["animevideov3", "x4plus-anime", "x4plus"])
    parser.add_argument("--edge", type=int, default=2048)
    parser.add_argument("--tile", type=int, nargs="+", default=[256])
    options = parser.parse_args()
    print("model            tile   peak MB   processor s (one tile and the rest of the work)")
    for model in options.models:
        for tile in options.tile:
            with multiprocessing.get_context("spawn").Pool(1) as pool:  # each in a process of its own
                peak, seconds = pool.apply(partial(measure, model, options.edge, tile))
            print(f"{model:15} {tile:5} {peak:9.0f} {seconds:9.0f}", flush=True)


if __name__ == "__main__":
    main()
