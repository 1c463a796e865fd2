"""Superres: films through a super-resolution network, at their own size or truly enlarged.

Source: Wang et al., Real-ESRGAN, arXiv:2107.10833.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from augment.plan.base import Pool
from augment.plan.draw import draw
from augment.superres.catalogue import CATALOGUE, DEFAULT
from augment.superres.errors import WeightsError
from augment.superres.pixelfilter import filter_of
from augment.superres.restore import Settings
from augment.superres.weights import Weights, find_weights, keep, locate
from curate.errors import UsageError
from curate.sample.geometry import frame, identity
from curate.sample.image import MAX_PIXELS
from curate.sample.recipe import Placement, Recipe
from curate.terminal import counted


@dataclass(frozen=True)
class Superres:
    """Films through Real-ESRGAN: crisper at their own size, or truly enlarged, with labels that follow.

    Before anything is made the setting is measured on the films at hand, and refused when it moves the edges of bones.

    Attributes:
        model: animevideov3, x4plus, x4plus-anime, or a .pth or .safetensors file with weights of such a network.
        weights: digest (sha256:...) that the weights must have.
        scale: take the network's picture at 2, 3 or 4 times the size, ...
        enlarge: ... and keep it so; otherwise it is shrunk back to the film's own size.
        strength: share of the network, 0 to 1; the rest is bicubic.
        rounds: of back-projection, which makes the result, shrunk, equal the film.
        tile: edge of the pieces handed to the network, pixels; smaller needs less memory.
        half: half precision, on a GPU.
        engine: who runs the network: spandrel, or realesrgan for that package's own inference.
        force: make them although edges of bones move.
    """

    model: str = DEFAULT
    weights: str = ""
    scale: int = 2
    enlarge: bool = False
    strength: float = 0.5
    rounds: int = 10
    tile: int = 256
    half: bool = False
    engine: str = "spandrel"
    force: bool = False

    operator: ClassVar[str] = "superres"
    version: ClassVar[int] = 1
    always_files: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.settings()
        found = self._found()
        if self.weights not in ("", found.digest):
            raise WeightsError(found.path, f"has the digest {found.digest}, not {self.weights}")
        if found.model not in CATALOGUE:
            from augment.superres.network import network_of

            network_of(found)  # a file that holds no network is refused by its own name, and no copy of it is kept
        keep(found)
        # a step and a recipe name weights by name and digest: a path would mean nothing elsewhere
        object.__setattr__(self, "model", found.model)
        object.__setattr__(self, "weights", found.digest)

    def _found(self) -> Weights:
        named = self.model in CATALOGUE or Path(self.model).exists() or not self.weights
        return find_weights(self.model) if named else locate(self.model, self.weights)

    def settings(self) -> Settings:
        """How each film is restored; raises ``UsageError`` for options out of range."""
        return Settings(self.scale, self.enlarge, self.strength, self.rounds, self.tile, self.half, self.engine)

    def plan(self, pool: Pool, n: int, seed: int) -> Iterator[Recipe]:
        """n films, each once.

        Raises:
            EdgesMovedError: the setting moves the edges of bones on these films, and ``force`` is not set.
            WeightsError: weights that are of no network known here.
        """
        settings = self.settings()
        largest = max(pool.rows, key=lambda r: r.width * r.height)
        if largest.width * largest.height * settings.factor**2 > MAX_PIXELS:
            raise UsageError("--scale", f"{largest.id} would have more than {MAX_PIXELS} pixels")
        self._measure(pool, settings, seed)
        step = filter_of(Weights(self.model, self.weights, Path(self.model)), settings)
        for drawn in draw(pool.rows, n, 1, seed, self.operator):
            (parent,) = drawn.parents
            size = (parent.width, parent.height)
            place = Placement.of(parent.id, identity(), frame(*size))
            yield Recipe(self.operator, self.version, 0, size, (place,), filters=(step,))

    def _measure(self, pool: Pool, settings: Settings, seed: int) -> None:
        """Tell what the setting does to these films, and refuse it when it must be."""
        from augment.superres.engine import load_network
        from augment.superres.fidelity import assess
        from augment.superres.windows import choose_windows

        network = load_network(self.model, self.weights, self.half, self.engine)
        if network.scale < self.scale:
            raise UsageError("--scale", f"{self.model} enlarges by {network.scale}, not by {self.scale}")
        windows = choose_windows(pool.rows, pool.annotations, seed)
        if not windows:
            raise UsageError(self.operator, "no film is large enough (48 px) to measure what the network invents")
        of = f"{counted(len(windows), 'window')} of {counted(len({w.sample for w in windows}), 'film')}"
        pool.warn(f"first measuring what {self.model} does to {of}; nothing is made before that")
        fidelity = assess(windows, lambda sample: pool.film(sample).gray, network, settings)
        for line in fidelity.lines():
            pool.warn(line)
        if any(pool.film(sample).full is not None for sample in {w.sample for w in windows}):
            pool.warn("films of more than 8 bits keep their depth; the network itself was trained on 8-bit pictures")
        if not self.force:
            fidelity.check()
