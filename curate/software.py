"""Which versions of the libraries that decide pixels and bytes are at work."""

from __future__ import annotations

from importlib import metadata

LIBRARIES = (
    "carpus",
    "numpy",
    "opencv-python-headless",
    "shapely",
    "scikit-image",
    "albumentations",
    "isal",
    "pyarrow",
)


def versions_of_libraries(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """name -> installed version; what is not installed is left out."""
    result = {}
    for name in names:
        try:
            result[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return result
