"""How well predicted masks match true ones, per bone: Dice, NSD and HD95, and their table ``scores.csv``.

Policy for empty masks: a bone in neither mask has no score (NaN, an empty cell); a bone missed or invented
has Dice 0 and NSD 0 and no HD95.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import CarpusError, UsageError

#: The competition's epsilon, in numerator and denominator of Dice.
EPSILON = 1e-4
#: NSD's tolerance in native pixels: about 0.4 mm on a 2048-pixel hand film, where two careful readers stop to agree.
NSD_TOLERANCE = 3.0
#: The same in millimetres, for films whose pixels have a known size.
NSD_TOLERANCE_MM = 0.4
_BLOCK = 1 << 18  # bytes looked at before the next: less than a core's cache
#: Columns of ``scores.csv``, in order; the last only where the size of some film's pixels is known.
COLUMNS = ("image", "group", "class", "present", "dice", "nsd", "hd95", "nsd_mm")
_NEEDED = 5


@dataclass(frozen=True, slots=True)
class Score:
    """One bone on one film.

    Attributes:
        present: the truth holds the bone.
        predicted: the prediction holds it.
        dice: in [0, 1]; NaN where neither holds it.
        nsd: normalised surface Dice at the stated tolerance, in [0, 1]; NaN where neither holds it or not asked for.
        hd95: 95th percentile Hausdorff distance in pixels; NaN where one of them is empty or not asked for.
        nsd_mm: as ``nsd``, at a tolerance in millimetres; NaN also where the size of the pixels is not known.
    """

    present: bool
    predicted: bool
    dice: float
    nsd: float = math.nan
    hd95: float = math.nan
    nsd_mm: float = math.nan


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of ``scores.csv``: one evaluation film and class. Fields as in :class:`Score`."""

    image: str
    group: str
    label: str
    present: bool
    dice: float
    nsd: float = math.nan
    hd95: float = math.nan
    nsd_mm: float = math.nan


def pixel_size(meta: Mapping[str, Any]) -> float | None:
    """Millimetres a pixel of a film, from what its version says of it (``pixel_mm``); ``None`` where not known."""
    value = meta.get("pixel_mm")
    return float(value) if isinstance(value, int | float) and 1e-4 < value < 100 else None


def dice_score(intersection: int, predicted: int, truth: int) -> float:
    """Dice from pixel counts, ``(2 I + 1e-4) / (|A| + |B| + 1e-4)``; NaN for two empty masks, 0 for one empty mask."""
    if predicted == 0 and truth == 0:
        return math.nan
    if predicted == 0 or truth == 0:
        return 0.0
    return (2.0 * intersection + EPSILON) / (predicted + truth + EPSILON)


def score_planes(
    predicted: np.ndarray,
    truth: np.ndarray,
    n_classes: int,
    *,
    tolerance: float = NSD_TOLERANCE,
    boundary: bool = True,
    pixel_mm: float | None = None,
) -> list[Score]:
    """Score two label planes class by class.

    Every class is looked at only inside the box that its two masks fill, found for all classes at once by OR-ing the
    rows and the columns of the planes: at 2048 x 2048 and 29 bones tens of times the speed of a loop over full masks.

    Args:
        predicted: unsigned int (h, w); bit k set where class k was predicted.
        truth: unsigned int (h, w); bit k set where class k is.
        n_classes: number of classes, at most the planes' bits.
        tolerance: of NSD, pixels.
        boundary: also give NSD and HD95 (needs MONAI, the extra ``train``).
        pixel_mm: size of a pixel, where known: also give NSD at ``NSD_TOLERANCE_MM``.

    Returns:
        One :class:`Score` a class, in the order of the bits.

    Raises:
        UsageError: planes of different shape, not unsigned, or with too few bits.
    """
    for name, plane in (("predicted", predicted), ("truth", truth)):
        if plane.ndim != 2 or plane.dtype.kind != "u" or n_classes > 8 * plane.dtype.itemsize:
            found = f"{plane.dtype}{plane.shape}"
            raise UsageError(None, f"{name} must be an unsigned (h, w) plane of at least {n_classes} bits, not {found}")
    if predicted.shape != truth.shape:
        raise UsageError(None, f"predicted plane is {predicted.shape}, true plane {truth.shape}: score at native size")
    boxes = [_boxes(plane, n_classes) for plane in (predicted, truth)]
    scores = []
    for k in range(n_classes):
        hull = _hull([boxes[0][k], boxes[1][k]])
        if hull is None:
            scores.append(Score(False, False, math.nan))
            continue
        top, bottom, left, right = hull
        a, b = (plane[top:bottom, left:right] & plane.dtype.type(1 << k) != 0 for plane in (predicted, truth))
        scores.append(_score(a, b, tolerance, boundary, pixel_mm))
    return scores


def score_masks(
    predicted: np.ndarray, truth: np.ndarray, *, tolerance: float = NSD_TOLERANCE, boundary: bool = True
) -> list[Score]:
    """Score boolean masks (k, h, w) class by class; otherwise as :func:`score_planes`."""
    if predicted.dtype != bool or truth.dtype != bool or predicted.ndim != 3 or predicted.shape != truth.shape:
        raise UsageError(
            None,
            f"masks must be two bool (k, h, w) arrays of one shape, not {predicted.dtype}{predicted.shape} and "
            f"{truth.dtype}{truth.shape}",
        )
    scores = []
    for a, b in zip(predicted, truth, strict=True):
        hull = _hull([_mask_box(a), _mask_box(b)])
        if hull is None:
            scores.append(Score(False, False, math.nan))
            continue
        top, bottom, left, right = hull
        scores.append(_score(a[top:bottom, left:right], b[top:bottom, left:right], tolerance, boundary, None))
    return scores


def surface_scores(predicted: np.ndarray, truth: np.ndarray, *tolerances: float) -> tuple[float, ...]:
    """NSD at each tolerance and HD95 of two non-empty boolean masks (h, w), from MONAI's surface distances.

    Equal to ``monai.metrics.compute_surface_dice`` and ``compute_hausdorff_distance(percentile=95)``; their edges and
    distances are computed once for both. NSD after Nikolov et al., "Deep learning to achieve clinically applicable
    segmentation of head and neck anatomy", 2018.

    Returns:
        NSD in [0, 1], one a tolerance, and last HD95; tolerances and HD95 in pixels.
    """
    edges_of, distances_of = _monai()
    edges = edges_of(predicted, truth, crop=False)  # already cropped; MONAI's own crop costs more than the rest
    distances = [np.asarray(distances_of(edges[i], edges[1 - i])) for i in (0, 1)]
    near = [sum(int(np.count_nonzero(d <= most)) for d in distances) for most in tolerances]
    size = sum(d.size for d in distances)
    return *(n / size for n in near), max(float(np.quantile(d, 0.95)) for d in distances)


def rows_of(image: str, group: str, classes: Sequence[str], scores: Iterable[Score]) -> list[ScoreRow]:
    """The rows of ``scores.csv`` of one film."""
    return [
        ScoreRow(image, group, label, s.present, s.dice, s.nsd, s.hd95, s.nsd_mm)
        for label, s in zip(classes, scores, strict=True)
    ]


def write_scores(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write ``scores.csv``: six decimals, empty cells where undefined; whole or not at all."""
    rows = list(rows)
    n = len(COLUMNS) if any(not math.isnan(row.nsd_mm) for row in rows) else len(COLUMNS) - 1
    temporary = path.with_name(path.name + ".part")
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS[:n])
        for row in rows:
            numbers = ["" if math.isnan(x) else f"{x:.6f}" for x in (row.dice, row.nsd, row.hd95, row.nsd_mm)]
            writer.writerow([row.image, row.group, row.label, int(row.present), *numbers][:n])
    os.replace(temporary, path)


def read_scores(path: Path) -> list[ScoreRow]:
    """Read ``scores.csv``, whoever wrote it; extra columns are ignored, those after ``dice`` may be missing.

    Raises:
        CarpusError: file missing, columns missing, or a cell that cannot be: names the line.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [h.strip() for h in next(reader, [])]
            missing = [c for c in COLUMNS[:_NEEDED] if c not in header]
            if missing:
                raise CarpusError(path, f"no column {', '.join(missing)} (found: {', '.join(header) or 'nothing'})")
            at = [header.index(c) if c in header else None for c in COLUMNS]
            return [_row(path, reader.line_num, cells, at) for cells in reader if cells]
    except FileNotFoundError:
        raise CarpusError(path, "no such file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CarpusError(path, f"cannot be read as a table: {error}") from None


def _row(path: Path, line: int, cells: list[str], at: list[int | None]) -> ScoreRow:
    try:
        image, group, label, present, dice, nsd, hd95, nsd_mm = ("" if i is None else cells[i] for i in at)
    except IndexError:
        raise CarpusError(path, f"line {line}: {len(cells)} cells, fewer than the header") from None
    if present.strip().lower() not in _TRUE | _FALSE:
        raise CarpusError(path, f"line {line}: present is {present!r}, not 1 or 0")
    held = present.strip().lower() in _TRUE
    dice_value = _number(path, line, "dice", dice, 1.0)
    if held and math.isnan(dice_value):
        raise CarpusError(path, f"line {line}: {label} is present on {image} but its Dice is {dice.strip() or 'empty'}")
    return ScoreRow(
        image, group, label, held, dice_value, _number(path, line, "nsd", nsd, 1.0),
        _number(path, line, "hd95", hd95, math.inf), _number(path, line, "nsd_mm", nsd_mm, 1.0),
    )  # fmt: skip


_TRUE, _FALSE = {"1", "true", "1.0"}, {"0", "false", "0.0"}


def _number(path: Path, line: int, name: str, cell: str, most: float) -> float:
    cell = cell.strip()
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        raise CarpusError(path, f"line {line}: {name} is {cell!r}, not a number") from None
    if math.isinf(value) or value < 0 or value > most + 1e-9:
        raise CarpusError(path, f"line {line}: {name} is {cell}, out of range")
    return value


def _score(
    predicted: np.ndarray, truth: np.ndarray, tolerance: float, boundary: bool, pixel_mm: float | None
) -> Score:
    n_predicted, n_truth = int(np.count_nonzero(predicted)), int(np.count_nonzero(truth))
    dice = dice_score(int(np.count_nonzero(predicted & truth)), n_predicted, n_truth)
    if not n_predicted or not n_truth:
        nsd, nsd_mm = (0.0 if boundary and known else math.nan for known in (True, pixel_mm))
        return Score(n_truth > 0, n_predicted > 0, dice, nsd, nsd_mm=nsd_mm)
    if not boundary:
        return Score(True, True, dice)
    if pixel_mm is None:
        nsd, hd95 = surface_scores(predicted, truth, tolerance)
        return Score(True, True, dice, nsd, hd95)
    nsd, nsd_mm, hd95 = surface_scores(predicted, truth, tolerance, NSD_TOLERANCE_MM / pixel_mm)
    return Score(True, True, dice, nsd, hd95, nsd_mm)


def _occupancy(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which bits occur in each row and in each column; by blocks of rows, so that memory is read once."""
    block = max(1, _BLOCK // max(1, plane[:1].nbytes))
    rows, columns = np.empty(len(plane), plane.dtype), np.zeros(plane.shape[1], plane.dtype)
    for top in range(0, len(plane), block):
        part = plane[top : top + block]
        np.bitwise_or.reduce(part, axis=1, out=rows[top : top + block])
        columns |= np.bitwise_or.reduce(part, axis=0)
    return rows, columns


def _boxes(plane: np.ndarray, n_classes: int) -> list[tuple[int, int, int, int] | None]:
    """The box that each bit fills, or ``None``."""
    sides = []
    for line in _occupancy(plane):
        bits = np.unpackbits(line.astype(line.dtype.newbyteorder("<")).view(np.uint8), bitorder="little")
        held = np.ascontiguousarray(bits.reshape(len(line), -1)[:, :n_classes].T)
        sides.append((held.argmax(axis=1), len(line) - held[:, ::-1].argmax(axis=1), held.any(axis=1)))
    (top, bottom, held), (left, right, _) = sides
    corners = zip(held.tolist(), top.tolist(), bottom.tolist(), left.tolist(), right.tolist(), strict=True)
    return [tuple(corner) if there else None for there, *corner in corners]


def _mask_box(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    if mask.flags.c_contiguous and mask.shape[1] % 8 == 0:
        rows, columns = _occupancy(mask.view(np.uint64))  # eight pixels a word
        return _extent(rows, columns.view(np.uint8))
    return _extent(mask.any(axis=1), mask.any(axis=0))


def _extent(rows: np.ndarray, columns: np.ndarray) -> tuple[int, int, int, int] | None:
    y, x = np.flatnonzero(rows), np.flatnonzero(columns)
    return (int(y[0]), int(y[-1]) + 1, int(x[0]), int(x[-1]) + 1) if y.size else None


def _hull(boxes: list[tuple[int, int, int, int] | None]) -> tuple[int, int, int, int] | None:
    held = [b for b in boxes if b is not None]
    if not held:
        return None
    tops, bottoms, lefts, rights = zip(*held, strict=True)
    return min(tops), max(bottoms), min(lefts), max(rights)


def _monai():
    try:
        from monai.metrics.utils import get_mask_edges, get_surface_distance
    except ImportError:
        raise UsageError(None, "NSD and HD95 need MONAI: pip install 'carpus[train]'") from None
    return get_mask_edges, get_surface_distance
