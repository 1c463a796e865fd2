"""Reading a sample, whatever it is: an original is decoded; a child is decoded, or rendered when it has no file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from curate.errors import ImageError, LabelError, ManifestError
from curate.files import digest_bytes, inside
from curate.sample.annotation import Annotation
from curate.sample.geometry import scale_affine
from curate.sample.image import background_level, decode, read_bytes
from curate.sample.labelfile import read_derived, read_labels
from curate.sample.labels import render_labels, resize_annotations
from curate.sample.recipe import Recipe
from curate.sample.render import render_image
from curate.sample.warp import Film, warp

LABELS = 64
"""Films whose polygons are kept where a whole set is gone through: a thousand films' would take 200 MB."""


class Row(Protocol):
    """What reading needs to know of a sample; ``curate.manifest.SampleRow`` is one."""

    id: str
    image: str | None
    labels: str | None
    width: int
    height: int
    recipe: Mapping | None
    file: str | None
    label_file: str | None


class Dataset(Protocol):
    """What reading needs to know of a version; ``curate.manifest.Version`` is one."""

    root: Path
    classes: tuple[str, ...]
    known: Mapping[str, Row]


class FilmCache:
    """Decoded films up to a bound in bytes; the one used longest ago goes first."""

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self._films: OrderedDict[str, Film] = OrderedDict()

    def get(self, key: str) -> Film | None:
        film = self._films.get(key)
        if film is not None:
            self._films.move_to_end(key)
        return film

    def put(self, key: str, film: Film) -> None:
        self._films[key] = film
        while len(self._films) > 1 and sum(f.nbytes for f in self._films.values()) > self.max_bytes:
            self._films.popitem(last=False)


class SampleReader:
    """Pixels and annotations of a version's samples, by id, at any scale.

    Args:
        version: whose samples are read, and those that its children descend from.
        cache_mb: decoded films are kept up to this many MiB.
        check: compare each file's bytes with the digest in its row when it is read.
        labels: annotations are kept of this many samples; of all when ``None``.
    """

    def __init__(self, version: Dataset, cache_mb: int = 256, check: bool = True, labels: int | None = None):
        self.rows, self.root, self.classes, self.check = version.known, version.root, version.classes, check
        self._cache = FilmCache(cache_mb << 20)
        self._most = labels
        self._annotations: OrderedDict[str, tuple[Annotation, ...]] = OrderedDict()

    def _row(self, sample: str) -> Row:
        if sample not in self.rows:
            raise ManifestError(sample, "is no sample here")
        return self.rows[sample]

    def _bytes(self, relative: str, digest: str | None) -> bytes:
        data = read_bytes(inside(self.root, relative))
        if self.check and digest is not None and digest_bytes(data) != digest:
            raise ManifestError(relative, "does not match its digest: it was changed or damaged")
        return data

    def film(self, sample: str) -> Film:
        """The full-size pixels of a sample, with its background level; from memory when it was read before.

        Raises:
            ImageError, ManifestError: unreadable, or not the file that the manifest names.
        """
        film = self._cache.get(sample)
        if film is None:
            row = self._row(sample)
            if row.image is not None and (row.recipe is None or (self.root / row.image).exists()):
                picture = decode(self._bytes(row.image, row.file), Path(row.image))
                gray, full = picture.gray, picture.full
                if gray.shape != (row.height, row.width):
                    raise ImageError(row.image, f"is {gray.shape[1]} x {gray.shape[0]}, not as the manifest says")
            elif row.recipe is not None:
                gray, full = render_image(Recipe.from_dict(row.recipe), self.film), None
            else:
                raise ManifestError(sample, "is an original without a file")
            film = Film(gray, background_level(gray), full)
            self._cache.put(sample, film)
        return film

    def image(self, sample: str, scale: float = 1.0) -> np.ndarray:
        """Pixels of a sample: uint8 array of shape (round(height * scale), round(width * scale)).

        A child without a file is rendered straight from its parents at that scale, with one resampling; any other
        sample is shrunk from its file.
        """
        row = self._row(sample)
        written = row.image is not None and (row.recipe is None or (self.root / row.image).exists())
        if not written and row.recipe is not None and scale != 1.0:
            return render_image(Recipe.from_dict(row.recipe), self.film, scale)
        film = self.film(sample)
        if scale == 1.0:
            return film.gray
        return warp(film, scale_affine(scale), (round(row.width * scale), round(row.height * scale)))

    def annotations(self, sample: str, scale: float = 1.0) -> tuple[Annotation, ...]:
        """Annotations of a sample in the pixels of ``image(sample, scale)``; none for an unlabelled film.

        Raises:
            LabelError, ManifestError: unreadable, or not the file that the manifest names.
        """
        known = self._annotations.get(sample)
        if known is None:
            row = self._row(sample)
            if row.recipe is not None and (row.labels is None or not (self.root / row.labels).exists()):
                known, _ = render_labels(Recipe.from_dict(row.recipe), self.annotations)
            elif row.labels is None:
                known = ()
            else:
                try:
                    data = self._bytes(row.labels, row.label_file)
                except ImageError as error:
                    raise LabelError(error.path, error.detail) from None
                if row.recipe is not None:
                    known = read_derived(data, row.labels)
                else:
                    known = read_labels(data, row.labels, (row.width, row.height), self.classes).annotations
            self._annotations[sample] = known
            if self._most is not None and len(self._annotations) > self._most:
                self._annotations.popitem(last=False)
        else:
            self._annotations.move_to_end(sample)
        return resize_annotations(known, scale)
