"""From finished runs to label planes of any picture: one network or many, with or without test-time augmentation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from curate.errors import CarpusError, UsageError
from curate.sample.geometry import scale_affine
from curate.sample.image import SUFFIXES, background_level, read_image
from curate.sample.raster import plane_dtype
from curate.sample.warp import Film, warp
from train.compare.runs import find_runs
from train.evaluate import logits_of
from train.films import letterbox, training_scale
from train.runs import load_model
from train.scores import read_scores
from train.upscale import plane_of_logits

METHODS = ("soft", "weighted", "class-wise", "hard")
TTA = ("flip", "scale", "rotate")
_TINY = 1e-6


@dataclass(eq=False)
class Member:
    """One finished run, ready to predict.

    Attributes:
        path: the run folder. network: on the device. size: pixels, the longer side of a film in training.
        classes: names in the order of the bits.
        thresholds: probability from which a pixel belongs to a class, one a class.
        dice: mean validation Dice, one a class (NaN where the class was nowhere): the weight in an ensemble.
    """

    path: Path
    network: nn.Module
    size: int
    classes: tuple[str, ...]
    thresholds: list[float]
    dice: np.ndarray


def load_member(path: Path, device: torch.device, tuned: bool = False) -> Member:
    """A run folder as a member of an ensemble.

    Args:
        tuned: use the thresholds that ``train thresholds`` found for it, rather than its configuration's.

    Raises:
        UsageError: no usable model there, or no tuned thresholds.
    """
    network, config, classes = load_model(path)
    thresholds = [config.threshold] * len(classes)
    if tuned:
        file = path / "thresholds.json"
        if not file.is_file():
            raise UsageError(path, "has no tuned thresholds: train thresholds RUN finds them")
        found = json.loads(file.read_bytes())["thresholds"]
        thresholds = [float(found[name]) for name in classes]
    dice = np.full(len(classes), np.nan)
    if (path / "scores.csv").is_file():
        rows = read_scores(path / "scores.csv")
        for k, name in enumerate(classes):
            held = [row.dice for row in rows if row.label == name and row.dice == row.dice]
            dice[k] = np.mean(held) if held else np.nan
    return Member(Path(path), network.to(device), config.size, classes, thresholds, dice)


@dataclass(eq=False)
class Predictor:
    """Predicts pictures one at a time; besides the networks it holds one film's probabilities, at training size.

    Attributes:
        members: of one list of classes. device: where their networks are.
        method: how several agree: ``soft`` (mean probability), ``weighted`` (by validation Dice, class by class),
            ``class-wise`` (each class by the member that validated best on it) or ``hard`` (majority of masks).
        tta: of ``flip``, ``scale``, ``rotate``; probabilities are averaged over them.
    """

    members: Sequence[Member]
    device: torch.device
    method: str = "soft"
    tta: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if not self.members:
            raise UsageError("RUN", "no finished run to predict with")
        if self.method not in METHODS:
            raise UsageError("--method", f"{self.method!r} is none of: {', '.join(METHODS)}")
        for name in self.tta:
            if name not in TTA:
                raise UsageError("--tta", f"{name!r} is none of: {', '.join(TTA)}")
        first = self.members[0]
        for other in self.members[1:]:
            if other.classes != first.classes:
                odd = sorted(set(first.classes) ^ set(other.classes)) or ["their order"]
                raise UsageError(other.path, f"has other classes than {first.path}: {', '.join(odd[:5])}")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the bits."""
        return self.members[0].classes

    def plane(self, gray: np.ndarray) -> np.ndarray:
        """The label plane of a picture, at its own size.

        Args:
            gray: uint8 (h, w).

        Returns:
            uint32 (uint64 for more than 32 classes) (h, w).
        """
        film = Film(gray, background_level(gray))
        size = (gray.shape[1], gray.shape[0])
        if len(self.members) == 1:
            logits, scale = self.logits(film, self.members[0])
            return plane_of_logits(logits, scale, size, self.members[0].thresholds)
        if self.method == "hard":
            return self._vote(film, size)
        longest = max(member.size for member in self.members)
        scale = training_scale(*size, longest)
        small = (round(size[0] * scale), round(size[1] * scale))
        total = np.zeros((len(self.classes), small[1], small[0]), np.float32)
        limits = np.zeros(len(self.classes))
        for member, weight in zip(self.members, self._weights(), strict=True):
            limits += weight * np.array(member.thresholds)
            if weight.any():
                logits, own = self.logits(film, member)
                for k in np.flatnonzero(weight):
                    total[k] += weight[k] * _resample(_sigmoid(logits[k]), own / scale, small)
        return plane_of_logits(_logit(total), scale, size, limits.tolist())

    def _weights(self) -> np.ndarray:
        """Shares (members, classes), each class's adding up to 1."""
        dice = np.stack([member.dice for member in self.members])
        if self.method == "soft":
            shares = np.ones_like(dice)
        else:
            unknown = [self.classes[k] for k in np.flatnonzero(np.isnan(dice).all(0))]
            if np.isnan(dice).all(1).any():
                raise UsageError("--method", f"{self.method} needs the validation scores of every run")
            shares = np.nan_to_num(dice, nan=0.0) + _TINY
            shares[:, [self.classes.index(name) for name in unknown]] = 1.0
            if self.method == "class-wise":
                shares = np.arange(len(self.members))[:, None] == shares.argmax(0)
        return shares / shares.sum(0)

    def _vote(self, film: Film, size: tuple[int, int]) -> np.ndarray:
        """Classes that more than half of the members see; a tie is settled by the first member."""
        n = len(self.classes)
        planes = []
        for member in self.members:
            logits, scale = self.logits(film, member)
            planes.append(plane_of_logits(logits, scale, size, member.thresholds))
        out = np.zeros_like(planes[0], plane_dtype(n))
        for k in range(n):
            bit = out.dtype.type(k)
            votes = sum(((plane >> bit) & 1).astype(np.uint8) for plane in planes)
            agreed = 2 * votes > len(planes)
            agreed |= (2 * votes == len(planes)) & ((planes[0] >> bit) & 1 == 1)
            out |= agreed.astype(out.dtype) << bit
        return out

    def logits(self, film: Film, member: Member) -> tuple[np.ndarray, float]:
        """Logits of a film by one member, averaged as probabilities over the test-time augmentation.

        Returns:
            float32 (classes, h, w) without the letterbox, and their pixels per film pixel.
        """
        height, width = film.gray.shape
        scale = training_scale(width, height, member.size)
        size = (round(width * scale), round(height * scale))
        image = warp(film, scale_affine(scale), size)
        run = partial(self._run, member)
        if not self.tta:
            return run(image), scale
        views = [run(image)]
        if "flip" in self.tta:
            views.append(run(image[:, ::-1])[:, :, ::-1])
        factors = [0.85, 1.15] if "scale" in self.tta else []
        turns = [-8.0, 8.0] if "rotate" in self.tta else []
        centre = ((size[0] - 1) / 2, (size[1] - 1) / 2)
        for turn, factor in [(0.0, f) for f in factors] + [(t, 1.0) for t in turns]:
            views.append(_turned(run, image, cv2.getRotationMatrix2D(centre, turn, factor), film.background))
        return _logit(np.mean([_sigmoid(view) for view in views], 0)), scale

    def _run(self, member: Member, image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        boxed = letterbox(np.ascontiguousarray(image), max(image.shape))
        return logits_of(member.network, boxed[None], self.device)[0][:, :height, :width]


def _turned(run, image: np.ndarray, matrix: np.ndarray, background: int) -> np.ndarray:
    """Logits of a turned or resized view, laid back onto the picture; what left the frame is surely background."""
    size = (image.shape[1], image.shape[0])
    view = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderValue=background)
    back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    return np.stack([cv2.warpAffine(layer, matrix, size, flags=back, borderValue=-20.0) for layer in run(view)])


def _resample(layer: np.ndarray, scale: float, size: tuple[int, int]) -> np.ndarray:
    """A layer at another size on the one pixel grid; ``scale`` is its pixels per output pixel."""
    if (layer.shape[1], layer.shape[0]) == size:
        return layer
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(layer, scale_affine(scale), size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, _TINY, 1 - _TINY)
    return np.log(p / (1 - p)).astype(np.float32)


def find_members(paths: Sequence[Path], device: torch.device, tuned: bool = False) -> list[Member]:
    """The runs at some paths: run folders, or folders of run folders.

    Raises:
        UsageError: no run there, or one that cannot be used.
    """
    folders = [run for path in paths for run in ([Path(path)] if _is_run(path) else find_runs(Path(path)))]
    return [load_member(folder, device, tuned) for folder in folders]


def _is_run(path: Path) -> bool:
    return (Path(path) / "model.pt").is_file()


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


