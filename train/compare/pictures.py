"""Films with the truth and both predictions drawn on them, and maps of what was put right and what was broken."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from curate.errors import CarpusError
from curate.files import inside
from train.compare.result import Comparison, Film
from train.compare.source import FilmSource

_WHOLE, _CROP, _QUALITY = 380, 240, 82
_MAX_SIDE = 1024
_MOST_BYTES = 1 << 28  # of an unpacked prediction
# Blue-green-red; told apart by the colour-blind too: truth white, A blue, B orange, put right green, broken magenta.
_TRUTH, _A, _B = (255, 255, 255), (255, 160, 60), (40, 150, 255)
_RIGHT, _BROKEN, _BOTH = (120, 210, 60), (210, 50, 230), (90, 90, 90)


@dataclass(frozen=True)
class Tile:
    """One picture: a caption and a JPEG as a ``data:`` address."""

    caption: str
    address: str


@dataclass(frozen=True)
class Panel:
    """The pictures of one film."""

    film: Film
    tiles: tuple[Tile, ...]


def panels(comparison: Comparison, source: FilmSource | None, classes: tuple[str, ...], most: int = 6) -> tuple:
    """The films that gained most and those that lost most, drawn.

    Args:
        source: of films and labels; without it predictions are drawn on an empty ground, and truth from the run's
            own ``truth`` folder where there is one.
        classes: of each arm's planes, in the order of their bits.

    Returns:
        (gained, lost): tuples of :class:`Panel`, at most ``most`` each; empty where no run kept its predictions.
    """
    films = comparison.films
    gained = [f for f in films if f.delta > 0][:most]
    lost = [f for f in reversed(films) if f.delta < 0][:most]
    drawn = []
    for chosen in (gained, lost):
        made = (panel(comparison, source, classes, film) for film in chosen)
        drawn.append(tuple(p for p in made if p is not None))
    return tuple(drawn)


def panel(comparison: Comparison, source: FilmSource | None, classes: tuple[str, ...], film: Film) -> Panel | None:
    """The pictures of one film: both predictions and the error map, whole, and the bone that changed most, close."""
    planes = [_prediction(folders, "predictions", film.image) for folders in comparison.run_folders]
    if any(p is None for p in planes):
        return None
    (a, scale), (b, other) = planes
    if a.shape != b.shape or scale != other or max(a.shape) > 4 * _MAX_SIDE:
        return None
    truth = _prediction((*comparison.run_folders[0], *comparison.run_folders[1]), "truth", film.image)
    ground = np.full(a.shape, 24, np.uint8)
    true_plane = truth[0] if truth is not None and truth[0].shape == a.shape else None
    if source is not None and source.row(film.image) is not None:
        try:
            image = source.film(film.image, scale)
            ground = image if image.shape == a.shape else ground
            true_plane = source.truth(film.image, classes, a.shape, scale).astype(a.dtype)
        except CarpusError:
            pass  # the film went away since; the predictions are still worth showing
    a, b = (p.astype(np.uint64) for p in (a, b))
    true_plane = None if true_plane is None else true_plane.astype(np.uint64)
    whole = np.s_[: a.shape[0], : a.shape[1]]
    every = range(len(classes))
    names = (comparison.a.name, comparison.b.name)
    tiles = [
        _tile(f"A {names[0]}: {film.dice_a:.3f}", ground, true_plane, a, _A, every, whole, _WHOLE),
        _tile(f"B {names[1]}: {film.dice_b:.3f}", ground, true_plane, b, _B, every, whole, _WHOLE),
    ]
    if true_plane is not None:
        tiles.append(_error_tile("put right, broken, wrong in both", ground, true_plane, a, b, whole, _WHOLE))
    bit = classes.index(film.most[0][0]) if film.most and film.most[0][0] in classes else None
    close = _around([p for p in (true_plane, a, b) if p is not None], bit)
    if bit is not None and close is not None:
        bone, change = film.most[0]
        for name, plane, colour in zip("AB", (a, b), (_A, _B), strict=True):
            told = f"{name}: {bone}" if name == "A" else f"{name}: {bone} {change:+.3f}"
            tiles.append(_tile(told, ground, true_plane, plane, colour, [bit], close, _CROP))
    return Panel(film, tuple(tiles))


def _prediction(folders: tuple[Path, ...], kind: str, image: str) -> tuple[np.ndarray, float] | None:
    """A label plane and its scale, from the first run that kept it; plain arrays only."""
    for folder in folders:
        for name in (f"{image}.npz", f"{image.replace('/', '__')}.npz"):
            try:
                path = inside(folder, f"{kind}/{name}")
                if not path.is_file():
                    continue
                data = io.BytesIO(path.read_bytes())
                with zipfile.ZipFile(data) as archive:  # sizes are looked at before anything is unpacked
                    if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                        continue
                with np.load(data, allow_pickle=False) as held:
                    plane, scale = held["plane"], float(held["scale"]) if "scale" in held else 1.0
            except (CarpusError, OSError, ValueError, KeyError, zipfile.BadZipFile):
                continue
            if plane.ndim == 2 and plane.dtype.kind == "u" and plane.size:
                return plane, scale
    return None


def _tile(caption, ground, truth, plane, colour, bits, window, longest) -> Tile:
    picture, scale = _enlarged(ground[window], longest)
    for labels, ink in ((truth, _TRUTH), (plane, colour)):
        if labels is None:
            continue
        for bit in bits:
            _outline(picture, labels[window], bit, scale, ink)
    return Tile(caption, _address(picture))


def _error_tile(caption, ground, truth, a, b, window, longest) -> Tile:
    picture, scale = _enlarged((ground[window] * 0.45).astype(np.uint8), longest)
    wrong_a, wrong_b = (p[window] ^ truth[window] for p in (a, b))
    for mask, ink in (
        ((wrong_a & wrong_b) != 0, _BOTH), ((wrong_a & ~wrong_b) != 0, _RIGHT), ((wrong_b & ~wrong_a) != 0, _BROKEN),
    ):  # fmt: skip
        size = picture.shape[1::-1]
        # an enlarged mask keeps thin errors visible where a film is shrunk
        share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA if scale < 1 else 0)
        picture[share > 0.2] = ink
    return Tile(caption, _address(picture))


def _enlarged(gray: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    scale = longest / max(gray.shape)
    size = (max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.cvtColor(cv2.resize(np.ascontiguousarray(gray), size, interpolation=way), cv2.COLOR_GRAY2BGR), scale


def _outline(picture: np.ndarray, plane: np.ndarray, bit: int, scale: float, ink: tuple[int, int, int]) -> None:
    """Draw the border of one class; for pictures only, no label is ever made from it."""
    mask = ((plane >> np.uint64(bit)) & np.uint64(1)).astype(np.uint8)
    if not mask.any():
        return
    size = picture.shape[1::-1]
    mask = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) >= 0.5).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, found, -1, ink, 1, cv2.LINE_AA)


def _around(planes: list[np.ndarray], bit: int | None) -> tuple[slice, slice] | None:
    """A square window around one class in all planes, with half its size to spare."""
    if bit is None:
        return None
    union = np.bitwise_or.reduce([(p >> np.uint64(bit)) & np.uint64(1) for p in planes])
    rows, columns = np.flatnonzero(union.any(axis=1)), np.flatnonzero(union.any(axis=0))
    if not rows.size:
        return None
    half = 0.75 * max(rows[-1] - rows[0], columns[-1] - columns[0]) + 4
    window = []
    for line, most in ((rows, union.shape[0]), (columns, union.shape[1])):
        middle = (line[0] + line[-1]) / 2
        window.append(slice(max(0, int(middle - half)), min(most, int(middle + half) + 1)))
    return tuple(window)


def _address(picture: np.ndarray) -> str:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise CarpusError(None, "a picture of the report could not be encoded")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
