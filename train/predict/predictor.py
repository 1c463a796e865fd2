"""From finished runs to label planes of any picture: one network or many, whole or by windows, looked at once or
more often, and the carpal region once more from near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from curate.errors import CarpusError, UsageError
from curate.sample.geometry import scale_affine
from curate.sample.image import SUFFIXES, background_level, read_image
from curate.sample.raster import plane_dtype
from curate.sample.warp import Film, warp
from train.data.films import letterbox, training_scale
from train.evaluate import logits_of, windows_at_once
from train.predict.members import METHODS, Member, check_members, find_members, load_member, shares
from train.predict.refine import Refiner
from train.predict.tally import Tally
from train.predict.views import Window, lay_back, views_of
from train.predict.views import cut as cut_view
from train.predict.windows import bands
from train.upscale import PlaneWriter, plane_of_logits

__all__ = ["METHODS", "Member", "Predictor", "find_members", "find_pictures", "load_member", "predict_pictures"]
_TINY = 1e-6


@dataclass(eq=False)
class Predictor:
    """Predicts pictures one at a time; besides the networks it holds one film's probabilities, at training size.

    Attributes:
        members: of one list of classes. device: where their networks are.
        method: how several agree: ``soft`` (mean probability), ``weighted`` (by validation Dice, class by class),
            ``class-wise`` (each class by the member that validated best on it) or ``hard`` (majority of masks).
        tta: of ``flip``, ``scale``, ``rotate``; probabilities are averaged over them.
        size: pixels, the longer side at which pictures are looked at; 0: as in training.
        window: pixels, the side of a sliding window at that size; 0: as in training, whole or by patches.
        overlap: share of a window's side that neighbours have in common, in [0, 1).
        refiner: looks again at a region; ``None``: nothing is refined.
    """

    members: Sequence[Member]
    device: torch.device
    method: str = "soft"
    tta: Sequence[str] = field(default_factory=tuple)
    size: int = 0
    window: int = 0
    overlap: float = 0.5
    refiner: Refiner | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError("--method", f"{self.method!r} is none of: {', '.join(METHODS)}")
        self._views = views_of(self.tta)
        check_members(self.members)
        for name, value in (("--size", self.size), ("--window", self.window)):
            if value and value < 32:
                raise UsageError(name, f"{value} is not at least 32 pixels")
        if not 0 <= self.overlap <= 0.9:
            raise UsageError("--overlap", f"{self.overlap} is not a share from 0 to 0.9")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the bits."""
        return self.members[0].classes

    def plane(self, gray: np.ndarray, tally: Tally | None = None) -> np.ndarray:
        """The label plane of a picture, at its own size.

        Args:
            gray: uint8 (h, w).
            tally: is told the probabilities, and so knows how sure they are; not with votes.

        Returns:
            uint32 (uint64 for more than 32 classes) (h, w).
        """
        film = Film(gray, background_level(gray))
        if self.method == "hard" and len(self.members) > 1:
            one = np.ones((1, len(self.classes)))
            plane = majority([self._plane(film, [member], one) for member in self.members], len(self.classes))
        else:
            plane = self._plane(film, self.members, shares(self.members, self.method), tally)
        return plane if self.refiner is None else self.refiner.refine(film, plane, self.classes)

    def _plane(
        self, film: Film, members: Sequence[Member], share: np.ndarray, tally: Tally | None = None
    ) -> np.ndarray:
        longest, side = self._windows(film, members)
        if side:
            return self._by_windows(film, members, share, longest, side, tally)
        logits = (self.logits(film, member) for member in members)
        return combine(logits, members, share, (film.gray.shape[1], film.gray.shape[0]), self.size, tally)

    def _windows(self, film: Film, members: Sequence[Member]) -> tuple[int, int]:
        """The longer side at which a film is looked at by windows, and their side; 0 where it is looked at whole."""
        patches = {member.patch for member in members}
        if self.window:
            return self.size or (max(film.gray.shape) if patches != {0} else max(m.size for m in members)), self.window
        if patches == {0}:
            return 0, 0
        if 0 in patches:
            raise UsageError("--method", "runs trained on patches and on whole films agree by vote only: hard")
        return self.size or max(film.gray.shape), max(patches)

    def _by_windows(
        self, film: Film, members: Sequence[Member], share: np.ndarray, longest: int, side: int, tally: Tally | None
    ) -> np.ndarray:
        """Windows at one size for all members; beside the plane, one row of windows is held."""
        height, width = film.gray.shape
        scale = training_scale(width, height, longest)
        grid = (round(width * scale), round(height * scale))
        image = film.gray if scale == 1.0 else warp(film, scale_affine(scale), grid)
        limits = (share * np.array([member.thresholds for member in members])).sum(0)
        writer = PlaneWriter(len(self.classes), grid, scale, (width, height), limits.tolist())

        def run(patches: np.ndarray) -> np.ndarray:
            if len(members) == 1:
                return members[0].probabilities(patches, self.device)
            parts = (
                member.probabilities(patches, self.device) * weight.astype(np.float32)[None, :, None, None]
                for member, weight in zip(members, share, strict=True)
            )
            return sum(parts)

        n, batch = len(self.classes), windows_at_once(self.device)
        for rows in bands(image, film.background, side, self.overlap, self._views, run, n, batch):
            if tally is not None:
                tally.add(rows, limits)
            writer.add(_logit(rows, out=rows))
        return writer.plane

    def logits(self, film: Film, member: Member) -> tuple[np.ndarray, float]:
        """Logits of a film by one member, averaged as probabilities over the test-time augmentation.

        Returns:
            float32 (classes, h, w) without the letterbox, and their pixels per film pixel.
        """
        height, width = film.gray.shape
        scale = training_scale(width, height, self.size or member.size)
        size = (round(width * scale), round(height * scale))
        image = warp(film, scale_affine(scale), size)
        run = partial(self._run, member)
        if len(self._views) == 1:
            return run(image), scale
        whole, weight = Window(0, 0, *size), np.ones(size[::-1], np.float32)
        total, counted = np.zeros((len(self.classes), *size[::-1]), np.float32), np.zeros(size[::-1], np.float32)
        for view in self._views:
            answer = _sigmoid(run(cut_view(image, film.background, whole, view)))
            part, share = lay_back(answer, weight, whole, view)
            total += part
            counted += share
        return _logit(total / counted), scale

    def _run(self, member: Member, image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        boxed = letterbox(np.ascontiguousarray(image), max(image.shape))
        return logits_of(member.network, boxed[None], self.device)[0][:, :height, :width]


def combine(
    found: Iterable[tuple[np.ndarray, float]], members: Sequence[Member], share: np.ndarray, size: tuple[int, int],
    longest: int = 0, tally: Tally | None = None,
) -> np.ndarray:  # fmt: skip
    """One plane from the logits of several members: probabilities, each times its member's share.

    Args:
        found: of each member, logits float32 (classes, h, w) and their pixels per film pixel; taken one by one.
        share: float (members, classes), a class's adding up to 1. size: (width, height) of the film.
        longest: pixels, the longer side of what is added up; 0: that of the finest member.
    """
    if len(members) == 1:
        logits, scale = next(iter(found))
        if tally is not None:
            tally.add(_sigmoid(logits), np.array(members[0].thresholds))
        return plane_of_logits(logits, scale, size, members[0].thresholds)
    limits = (share * np.array([member.thresholds for member in members])).sum(0)
    scale = training_scale(*size, longest or max(member.size for member in members))
    small = (round(size[0] * scale), round(size[1] * scale))
    total = np.zeros((share.shape[1], small[1], small[0]), np.float32)
    for (logits, own), weight in zip(found, share, strict=True):
        for k in np.flatnonzero(weight):
            total[k] += weight[k] * resample(_sigmoid(logits[k]), own / scale, small)
    if tally is not None:
        tally.add(total, limits)
    return plane_of_logits(_logit(total), scale, size, limits.tolist())


def majority(planes: Sequence[np.ndarray], n_classes: int) -> np.ndarray:
    """Classes that more than half of some planes hold; a tie is settled by the first."""
    out = np.zeros_like(planes[0], plane_dtype(n_classes))
    for k in range(n_classes):
        bit = out.dtype.type(k)
        votes = sum(((plane >> bit) & 1).astype(np.uint8) for plane in planes)
        agreed = 2 * votes > len(planes)
        agreed |= (2 * votes == len(planes)) & ((planes[0] >> bit) & 1 == 1)
        out |= agreed.astype(out.dtype) << bit
    return out


def resample(layer: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """A layer at another size on the one pixel grid; ``scale`` is its pixels per output pixel."""
    if (layer.shape[1], layer.shape[0]) == size:
        return layer
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(layer, scale_affine(scale), size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def _logit(p: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Logits of probabilities, float32; into ``out`` layer by layer where it is given, so that little is held."""
    out = np.empty(p.shape, np.float32) if out is None else out
    for layer, target in zip(p, out, strict=True):
        held = np.clip(layer, _TINY, 1 - _TINY)
        np.log(held / (1 - held), out=target)
    return out


def find_pictures(place: Path) -> list[Path]:
    """The pictures at a path: itself, or everything below a folder, sorted.

    Raises:
        UsageError: there is none.
    """
    place = Path(place)
    if place.is_file():
        return [place]
    found = sorted(p for p in place.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not found:
        raise UsageError(place, "no picture there")
    return found


def predict_pictures(
    predictor: Predictor, pictures: Sequence[Path], refused: list[CarpusError]
) -> Iterator[tuple[Path, np.ndarray]]:
    """Predict picture after picture; one that cannot be read goes to ``refused`` and stops nothing.

    Yields:
        path and label plane.
    """
    for path in pictures:
        try:
            gray = read_image(path).gray
        except CarpusError as error:
            refused.append(error)
            continue
        yield path, predictor.plane(gray)
