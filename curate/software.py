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


def changed_libraries(then: dict[str, str]) -> dict[str, tuple[str, str]]:
    """name -> (version then, version now), for each library that is another than when something was made."""
    now = versions_of_libraries()
    return {name: (old, now.get(name, "none")) for name, old in then.items() if now.get(name) != old}
