"""DICOM pictures: the pixels as a viewer shows them, and the little of the header that a data set needs.

Needs pydicom (``pip install 'carpus[dicom]'``), imported here only.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from curate.errors import ImageError

MAX_PIXELS = 200_000_000
_KEYS = ("PatientID", "PatientSex", "PatientAge", "Laterality", "ImageLaterality", "PatientOrientation", "ViewPosition")


def is_dicom(data: bytes) -> bool:
    """Whether bytes are a DICOM file: 128 bytes of anything, then ``DICM``."""
    return data[128:132] == b"DICM"


def _pydicom(path: Path) -> Any:
    try:
        return importlib.import_module("pydicom")
    except ImportError:
        raise ImageError(path, "is DICOM, which needs pydicom: pip install 'carpus[dicom]'") from None


@contextlib.contextmanager
def reading(path: Path, otherwise: str) -> Iterator[None]:
    """Turn what pydicom raises into our error; it reads values from their bytes only when they are asked for."""
    errors = _pydicom(path).errors
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # files that break a rule of value lengths are common, and readable
            yield
    except (errors.InvalidDicomError, errors.BytesLengthException, *FAULTS) as error:
        raise ImageError(path, f"{otherwise}: {_line(error)}") from None


def read_dataset(data: bytes, path: Path, pixels: bool) -> Any:
    """The file as pydicom's ``FileDataset``, with or without its pixels; raises ``ImageError``."""
    with reading(path, "is not DICOM that can be read"):
        return _pydicom(path).dcmread(BytesIO(data), stop_before_pixels=not pixels)


FAULTS = (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError, RuntimeError,
          ArithmeticError, LookupError, struct.error)
"""What pydicom raises on files that are broken or packed in a way that no decoder here knows."""


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def shape(data: bytes, path: Path) -> tuple[int, int, int, int]:
    """(width, height, bits, frames) that the header states, no pixel decoded.

    Raises:
        ImageError: not readable, no picture in it, or more than ``MAX_PIXELS`` pixels.
    """
    header = read_dataset(data, path, pixels=False)
    with reading(path, "is DICOM without a picture"):
        width, height = int(header.Columns), int(header.Rows)
        bits, frames = int(header.BitsStored), int(header.get("NumberOfFrames") or 1)
    if width * height * max(frames, 1) > MAX_PIXELS:
        raise ImageError(path, f"is refused before decoding: {width} x {height} is more than {MAX_PIXELS} pixels")
    return width, height, bits, frames


def pixels(data: bytes, path: Path) -> np.ndarray:
    """The first frame as a viewer shows it: uint8 array of shape (height, width), bright where dense.

    The modality's scale and then the VOI window (or its table) of the file are applied, MONOCHROME1 is turned over.
    Without a window the whole range of the values is used. Pixels are not turned by the patient's orientation: labels
    are drawn on the stored rows and columns.

    Raises:
        ImageError: refused, or packed in a way that needs a decoder that is not installed.
    """
    shape(data, path)
    dataset = read_dataset(data, path, pixels=True)
    tools = importlib.import_module("pydicom.pixels")
    with reading(path, "cannot be decoded"):
        values = dataset.pixel_array
        if int(dataset.get("NumberOfFrames") or 1) > 1:
            values = values[0]
        if int(dataset.get("SamplesPerPixel") or 1) > 1:
            values = values @ np.array([0.299, 0.587, 0.114])
        else:
            values = tools.apply_voi_lut(tools.apply_modality_lut(values, dataset), dataset, index=0)
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or not np.isfinite(values).all():
            raise ValueError("not a grey picture")
        low, high = _range(dataset, values)
        inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"
    grey = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return np.rint((1 - grey if inverted else grey) * 255).astype(np.uint8)


def _range(dataset: Any, values: np.ndarray) -> tuple[float, float]:
    """The values shown as black and white: after a window the range of the stored bits, rescaled; else what occurs.

    Source: DICOM PS3.3 C.11.2.1.2, as pydicom applies it.
    """
    if "WindowCenter" not in dataset or "VOILUTSequence" in dataset:
        return float(values.min()), float(values.max())
    bits, signed = int(dataset.BitsStored), bool(int(dataset.get("PixelRepresentation") or 0))
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    slope, intercept = float(dataset.get("RescaleSlope") or 1), float(dataset.get("RescaleIntercept") or 0)
    return low * slope + intercept, high * slope + intercept


def _pixel_mm(header: Any) -> float | None:
    """The side of a pixel: calibrated where the file says so, else on the detector (PS3.3 10.7.1.3); ``None`` where it
    is not known or pixels are not square."""
    for key in ("PixelSpacing", "ImagerPixelSpacing"):
        found = header.get(key)
        sides = [float(v) for v in found] if found not in (None, "") and not isinstance(found, str) else []
        if len(sides) == 2 and min(sides) > 1e-4 and max(sides) < min(100.0, 1.01 * min(sides)):
            return round(sum(sides) / 2, 6)
    return None


def about(data: bytes, path: Path) -> dict[str, Any]:
    """What the header says of patient and film, each only where known: patient, age, sex, side, orientation, view,
    and ``pixel_mm``, the side of a square pixel in millimetres.
    """
    header = read_dataset(data, path, pixels=False)
    with reading(path, "is DICOM with a damaged header"):
        told = {key: str(header.get(key)).strip() for key in _KEYS if header.get(key) not in (None, "")}
        orientation = header.get("PatientOrientation")
        spacing = _pixel_mm(header)
    facts: dict[str, Any] = {}
    if "PatientID" in told:
        facts["patient"] = told["PatientID"][:200]
    if (age := re.fullmatch(r"0*(\d+)Y", told.get("PatientAge", ""))) is not None:
        facts["age"] = int(age.group(1))
    if (sex := {"M": "male", "F": "female"}.get(told.get("PatientSex", ""))) is not None:
        facts["sex"] = sex
    laterality = told.get("ImageLaterality") or told.get("Laterality") or ""
    if (side := {"L": "left", "R": "right"}.get(laterality)) is not None:
        facts["side"] = side
    if orientation:
        facts["orientation"] = "\\".join(map(str, orientation)) if not isinstance(orientation, str) else orientation
    if "ViewPosition" in told:
        facts["view"] = told["ViewPosition"]
    if spacing is not None:
        facts["pixel_mm"] = spacing
    return facts
