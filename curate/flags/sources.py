"""Where films come from: a folder of pictures, or a version of the data set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from curate.errors import UsageError
from curate.files import inside, leaves
from curate.flags.film import Film
from curate.sample.image import SUFFIXES

if TYPE_CHECKING:
    from curate.manifest import Version


def _entries(folder: Path) -> Iterator[Path]:
    """Picture files below a folder, and links to folders outside it (which nothing follows), in the order of their
    names."""
    for where, folders, files in os.walk(folder):
        folders.sort()
        linked = [name for name in folders if os.path.islink(os.path.join(where, name))]
        for name in sorted([f for f in files if f.lower().endswith(SUFFIXES) and not f.startswith(".")] + linked):
            yield Path(where, name)


def films_from_folder(folder: str | os.PathLike) -> list[Film]:
    """A film for every file below ``folder`` that is called a picture, readable or not; a link out of it is
    refused by name.

    Raises:
        UsageError: no such folder, or no file in it is called a picture.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UsageError(root, "is not a folder")
    films = []
    for path in _entries(root):
        name = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
        outside = path.is_symlink() and leaves(path, root)
        if outside:
            films.append(Film(name, name, path, refused="is a link out of the folder"))
        elif not path.is_dir():
            films.append(Film(name, name, path))
    if not films:
        raise UsageError(root, f"holds no picture ({', '.join(SUFFIXES)})")
    return films


def films_from_version(version: Version) -> list[Film]:
    """A film for every sample of a version, with its labels, in the order of the table."""
    from curate.sample.read import SampleReader

    reader = SampleReader(version)
    films = []
    for row in version.samples:
        path = None if row.image is None else inside(version.root, row.image)
        films.append(
            Film(
                row.id,
                row.image or row.id,
                path,
                annotations=partial(reader.annotations, row.id) if row.labelled else None,
                classes=tuple(version.classes),
                side=row.side,
                digest=f"{row.digest} {row.file} {row.label_file}",
                pixels=partial(reader.image, row.id),
            )
        )
    return films
