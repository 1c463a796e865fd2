"""The pictures of the page: one film's maps whole, one bone's close, each a small JPEG inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from curate.errors import CarpusError
from curate.manifest.row import SampleRow
from curate.sample.raster import label_plane
from train.errors.gradcam import grad_cams
from train.errors.maps import Drawn, border_map, error_map, heat_map, loss_map
from train.evaluate import Prediction, predict_films, true_plane
from train.reopen import OpenRun
from train.upscale import logit, plane_of_logits

WHOLE, CLOSE, QUALITY = 420, 220, 80
"""Pixels of the longer side of a picture of a film, of one of a bone; and JPEG's quality."""


@dataclass(frozen=True)
class Tile:
    """One picture: a caption and a JPEG as a ``data:`` address."""

    caption: str
    address: str


class FilmPictures:
    """Draws one film of one run; the film goes through the network once, and once more for Grad-CAM.

    Args:
        opened: the run. row: a film of its. bits: classes that Grad-CAM is wanted for.
    """

    def __init__(self, opened: OpenRun, row: SampleRow, bits: Sequence[int]):
        self.opened, self.row, self.classes = opened, row, opened.classes
        self.found: Prediction = next(predict_films(opened.network, [row], opened.store, opened.config.threshold))
        self.annotations = opened.reader.annotations(row.id)
        self.truth = true_plane(opened.reader, row, opened.classes)
        self.heat = dict(zip(bits, self._cams(bits), strict=True))

    def whole(self, bone: int | None, dice: float) -> list[Tile]:
        """Error map, border map, loss map and what speaks for its worst bone."""
        row = self.row
        scale = min(1.0, WHOLE / max(row.width, row.height))
        size = (round(row.width * scale), round(row.height * scale))
        drawn = Drawn(
            self.opened.reader.image(row.id, scale),
            label_plane(self.annotations, self.classes, size, scale),
            plane_of_logits(self.found.logits, self.found.scale / scale, size, self.opened.config.threshold),
            scale,
            cv2.resize(self._loss(), size, interpolation=cv2.INTER_LINEAR),
        )
        tiles = [
            _tile(f"errors; mean Dice {dice:.3f}", error_map(drawn)),
            _tile("borders, by distance from the other's", border_map(drawn, range(len(self.classes)))),
            _tile("loss", loss_map(drawn)),
        ]
        if bone is not None and bone in self.heat:
            heat = _fit(self.heat[bone], size)
            tiles.append(_tile(f"what speaks for {self.classes[bone]}", heat_map(drawn.gray, heat)))
        return tiles

    def close(self, bone: int) -> list[Tile]:
        """One bone near: its errors, its borders, and what speaks for it."""
        window = self._around(bone)
        if window is None:
            return []
        gray = self.opened.reader.image(self.row.id)
        drawn = Drawn(gray, self.truth, self.found.plane, 1.0).cropped(window).only(bone)
        tiles = [_tile("errors", error_map(drawn), CLOSE), _tile("borders", border_map(drawn, [bone]), CLOSE)]
        if bone in self.heat:
            heat = _fit(self.heat[bone], gray.shape[::-1])[window]
            tiles.append(_tile("what speaks for it", heat_map(drawn.gray, heat), CLOSE))
        return tiles

    def box(self, bone: int) -> tuple[float, float, float, float] | None:
        """Where the film shows a bone, or the run sees one: (x0, y0, x1, y1) in its pixels."""
        held = (self.truth | self.found.plane) & self.truth.dtype.type(1 << bone)
        return box_of(held)

    def _loss(self) -> np.ndarray:
        """Binary cross-entropy of each pixel, summed over the classes, at the logits' size: float32 (h, w)."""
        logits = self.found.logits
        size = (logits.shape[2], logits.shape[1])
        plane = label_plane(self.annotations, self.classes, size, self.found.scale)
        total = np.zeros(logits.shape[1:], np.float32)
        for k, layer in enumerate(logits):
            held = (plane >> plane.dtype.type(k)) & plane.dtype.type(1) == 1
            total += np.logaddexp(0, np.where(held, -layer, layer))
        return total

    def _cams(self, bits: Sequence[int]) -> list[np.ndarray]:
        """Grad-CAM of some classes, each on the film as the network saw it: float32 (h, w) of the logits' size."""
        if not bits:
            return []
        opened, logits = self.opened, self.found.logits
        height, width = logits.shape[1:]
        plane = label_plane(self.annotations, self.classes, (width, height), self.found.scale)
        limit = np.float32(logit(opened.config.threshold))
        masks = [((plane >> plane.dtype.type(k)) & plane.dtype.type(1) == 1) | (logits[k] >= limit) for k in bits]
        image = opened.store.get(self.row.digest).image
        device = next(opened.network.parameters()).device
        if not opened.config.patch:
            full = [np.zeros(image.shape, bool) for _ in bits]
            for canvas, mask in zip(full, masks, strict=True):
                canvas[:height, :width] = mask
            cams = grad_cams(opened.network, image, zip(bits, full, strict=True), device)
            return [cam[:height, :width] for cam in cams]
        return [self._cam_of_patch(image, k, mask, device) for k, mask in zip(bits, masks, strict=True)]

    def _cam_of_patch(self, image: np.ndarray, bit: int, mask: np.ndarray, device) -> np.ndarray:
        """The same for a network of patches: on the patch in the middle of which the class lies."""
        out, side = np.zeros(mask.shape, np.float32), self.opened.config.patch
        box = box_of(mask) or (0, 0, mask.shape[1], mask.shape[0])
        y, x = (
            slice(start := max(0, min(int((low + high - side) / 2), n - side)), min(start + side, n))
            for low, high, n in ((box[1], box[3], mask.shape[0]), (box[0], box[2], mask.shape[1]))
        )
        out[y, x] = next(grad_cams(self.opened.network, image[y, x], [(bit, mask[y, x])], device))
        return out

    def _around(self, bone: int) -> tuple[slice, slice] | None:
        """A square window round a bone, a third of its size to spare."""
        box = self.box(bone)
        if box is None:
            return None
        half = 0.67 * max(box[2] - box[0], box[3] - box[1]) + 4
        window = []
        for low, high, most in ((box[1], box[3], self.row.height), (box[0], box[2], self.row.width)):
            middle = (low + high) / 2
            window.append(slice(max(0, int(middle - half)), min(most, int(middle + half) + 1)))
        return window[0], window[1]


def box_of(mask: np.ndarray) -> tuple[float, float, float, float] | None:
    """The box of what is set in a mask or plane (h, w): (x0, y0, x1, y1), the last ones excluded."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _fit(heat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)


def _tile(caption: str, picture: np.ndarray, longest: int = WHOLE) -> Tile:
    """A picture uint8 (h, w, 3), red green blue, at the size of the page."""
    scale = longest / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    done, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise CarpusError(None, "a picture of the page could not be encoded")
    return Tile(caption, "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode())
