"""The same children made in other ways, each as its users write it; one child at a time, one thread.

All write what we write: a PNG (cv2's default, three channels, as they were read) and a JSON with every polygon (the
standard library's). All read each parent's PNG and JSON for each child, at the film's own size. Each takes a recipe
(whose placements say what goes where), the parents' files and a folder to write to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import albumentations
import cv2
import numpy as np

from curate.presets import HAND_BONES
from curate.sample.recipe import Placement, Recipe

Files = Mapping[str, tuple[Path, Path]]
"""Sample id -> its picture and its label file."""


def box_of(place: Placement) -> tuple[int, int, int, int]:
    """The pixels (x0, y0, x1, y1) of the output that a placement fills."""
    x0, y0, x1, y1 = (round(v + 0.5) for v in place.region)
    return x0, y0, x1, y1


def source_box(place: Placement) -> tuple[int, int, int, int]:
    """The whole pixels of the parent that fill a placement, kept inside the film."""
    matrix = place.matrix()
    corners = (np.reshape(place.region, (2, 2)) - matrix[:, 2]) / np.diag(matrix)
    (x0, y0), (x1, y1) = np.rint(corners + 0.5).astype(int)
    return max(x0, 0), max(y0, 0), x1, y1


def angle_of(place: Placement) -> float:
    """Degrees clockwise that a placement turns its film."""
    matrix = place.matrix()
    return float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))


def _steps(recipe: Recipe, place: Placement, film: np.ndarray) -> list:
    """albumentations' transforms for what a placement does."""
    if recipe.operator == "rotate":
        turn = angle_of(place)
        return [albumentations.Affine(rotate=(turn, turn), p=1.0)]  # clockwise on the screen, as ours
    x0, y0, x1, y1 = source_box(place)
    left, top, right, bottom = box_of(place)
    x1, y1 = min(max(x1, x0 + 1), film.shape[1]), min(max(y1, y0 + 1), film.shape[0])
    crop = albumentations.Crop(x0, y0, x1, y1, p=1.0)
    return [crop, albumentations.Resize(bottom - top, right - left, p=1.0)]


def _labels(path: Path) -> list[tuple[str, np.ndarray]]:
    return [(a["label"], np.array(a["points"])) for a in json.loads(path.read_text())["annotations"]]


def _write(out: Path, image: np.ndarray, annotations: list[dict]) -> None:
    cv2.imwrite(str(out) + ".png", image)
    Path(str(out) + ".json").write_text(json.dumps({"annotations": annotations}))


def channels(recipe: Recipe, files: Files, out: Path) -> None:
    """albumentations with one (H, W, 29) mask, and polygons traced back from it.

    The layout of the competition's public baseline, and so of most code for it: each polygon painted into a mask of its
    own by ``cv2.fillPoly`` at the film's size, laid into its channel, and the array handed to ``Compose`` as ``mask``.
    """
    width, height = recipe.size
    canvas = np.zeros((height, width, 3), np.uint8)
    sheets = np.zeros((height, width, len(HAND_BONES)), np.uint8)
    for place in recipe.placements:
        picture, labels = files[place.parent]
        film = cv2.imread(str(picture))
        stack = np.zeros((*film.shape[:2], len(HAND_BONES)), np.uint8)
        for label, points in _labels(labels):
            mask = np.zeros(film.shape[:2], np.uint8)
            cv2.fillPoly(mask, [points.astype(np.int32)], 1)
            stack[..., HAND_BONES.index(label)] = mask
        done = albumentations.Compose(_steps(recipe, place, film))(image=film, mask=stack)
        x0, y0, x1, y1 = box_of(place)
        canvas[y0:y1, x0:x1] = done["image"]
        sheets[y0:y1, x0:x1] = done["mask"]
    _write(out, canvas, _traced(np.ascontiguousarray(sheets[..., k]) for k in range(len(HAND_BONES))))


def masks(recipe: Recipe, files: Files, out: Path) -> None:
    """albumentations with a list of 29 masks, and polygons traced back: the same work in its fastest layout."""
    width, height = recipe.size
    canvas = np.zeros((height, width, 3), np.uint8)
    sheets = np.zeros((len(HAND_BONES), height, width), np.uint8)
    for place in recipe.placements:
        picture, labels = files[place.parent]
        film = cv2.imread(str(picture))
        stack = np.zeros((len(HAND_BONES), *film.shape[:2]), np.uint8)
        for label, points in _labels(labels):
            cv2.fillPoly(stack[HAND_BONES.index(label)], [points.astype(np.int32)], 1)
        done = albumentations.Compose(_steps(recipe, place, film))(image=film, masks=list(stack))
        x0, y0, x1, y1 = box_of(place)
        canvas[y0:y1, x0:x1] = done["image"]
        for sheet, mask in zip(sheets, done["masks"], strict=True):
            sheet[y0:y1, x0:x1] = mask
    _write(out, canvas, _traced(sheets))


def _traced(sheets: Iterable[np.ndarray]) -> list[dict]:
    """The outlines of a mask a class, as annotations."""
    annotations = []
    for name, sheet in zip(HAND_BONES, sheets, strict=True):
        for contour in cv2.findContours(sheet, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
            annotations.append({"label": name, "points": contour[:, 0].tolist()})
    return annotations


def keypoints(recipe: Recipe, files: Files, out: Path) -> None:
    """albumentations with every vertex as a keypoint."""
    width, height = recipe.size
    canvas = np.zeros((height, width, 3), np.uint8)
    annotations = []
    for place in recipe.placements:
        picture, labels = files[place.parent]
        film = cv2.imread(str(picture))
        named = _labels(labels)
        points = np.concatenate([p for _, p in named]).astype(np.float32)
        params = albumentations.KeypointParams(format="xy", remove_invisible=False)
        done = albumentations.Compose(_steps(recipe, place, film), keypoint_params=params)(image=film, keypoints=points)
        x0, y0, x1, y1 = box_of(place)
        canvas[y0:y1, x0:x1] = done["image"]
        ends = np.cumsum([len(p) for _, p in named])
        for (name, _), ring in zip(named, np.split(np.asarray(done["keypoints"]), ends[:-1]), strict=True):
            annotations.append({"label": name, "points": (ring[:, :2] + (x0, y0)).tolist()})
    _write(out, canvas, annotations)


def naive(recipe: Recipe, files: Files, out: Path) -> None:
    """The loop that people write: imread, resize or warp, stack, move the points, imwrite, json."""
    annotations = []
    tiles = []
    for place in recipe.placements:
        picture, labels = files[place.parent]
        film = cv2.imread(str(picture))
        matrix = place.matrix()
        x0, y0, x1, y1 = box_of(place)
        if recipe.operator == "rotate":
            tile = cv2.warpAffine(film, matrix, recipe.size)
        else:
            sx0, sy0, sx1, sy1 = source_box(place)
            tile = cv2.resize(film[sy0:sy1, sx0:sx1], (x1 - x0, y1 - y0))
        tiles.append(((y0, x0), tile))
        for name, points in _labels(labels):
            moved = points @ matrix[:, :2].T + matrix[:, 2]
            annotations.append({"label": name, "points": moved.tolist()})
    rows: dict[int, list[np.ndarray]] = {}
    for (top, _), tile in tiles:
        rows.setdefault(top, []).append(tile)
    _write(out, np.vstack([np.hstack(row) for row in rows.values()]), annotations)


RIVALS: dict[str, Callable[[Recipe, Files, Path], None]] = {
    "29 masks": channels,
    "masks in a list": masks,
    "keypoints": keypoints,
    "naive loop": naive,
}
