"""Which of the two engines runs the network that a recipe names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from augment.superres.network import network_of
from augment.superres.realesrgan_engine import PackageNetwork
from augment.superres.weights import locate

if TYPE_CHECKING:
    from augment.superres.restore import Enlarger


@lru_cache(maxsize=2)
def load_network(model: str, digest: str, half: bool = False, engine: str = "spandrel") -> Enlarger:
    """The network that a recipe names; kept, because a worker uses it for film after film.

    Args:
        engine: ``spandrel``, or ``realesrgan`` for that package's own inference.

    Raises:
        WeightsError: no weights with that digest are here, or they are of no network known here.
        CarpusError: torch or spandrel is not installed.
    """
    if engine == "realesrgan":
        return PackageNetwork(locate(model, digest), half)
    return network_of(locate(model, digest), half)
