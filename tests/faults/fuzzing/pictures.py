"""Parsers of pictures: PNG of several kinds, JPEG, TIFF, DICOM, index masks."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage

from curate.formats.indexed import read_index
from curate.sample import dicom
from curate.sample.image import decode, encode_png
from tests.faults.fuzzing.mutate import mutate_png
from tests.faults.fuzzing.target import Target

WIDTH, HEIGHT = SIZE = (24, 16)
GREY = np.arange(WIDTH * HEIGHT, dtype=np.uint32).reshape(HEIGHT, WIDTH)


def _encoded(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _pillow(picture: PillowImage.Image, form: str, **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, form, **options)
    return sink.getvalue()


def small_png() -> bytes:
    """A good picture of ``SIZE``."""
    return encode_png(GREY.astype(np.uint8))


def index_png() -> bytes:
    """A good mask of indices 0 to 2 with a palette."""
    picture = PillowImage.fromarray((GREY // 40 % 3).astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    return _pillow(picture, "PNG")


def dicom_film(inverted: bool = False) -> bytes:
    """A small film of 12 bits with a window, a rescale and a patient."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, "1.2.3"
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    film = Dataset()
    film.file_meta = meta
    film.SOPClassUID, film.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    film.PatientID, film.PatientName, film.PatientSex, film.PatientAge = "P1", "A^B", "F", "041Y"
    film.ImageLaterality, film.PatientOrientation, film.ViewPosition = "L", ["L", "F"], "PA"
    film.Rows, film.Columns, film.SamplesPerPixel = HEIGHT, WIDTH, 1
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    film.WindowCenter, film.WindowWidth, film.RescaleSlope, film.RescaleIntercept = "300", "500", "1.5", "-10"
    film.PixelData = (GREY * 9 % 4096).astype("<u2").tobytes()
    sink = io.BytesIO()
    film.save_as(sink, enforce_file_format=True)
    return sink.getvalue()


def _dicom(data: bytes, _: Path) -> None:
    dicom.about(data, Path("x.dcm"))
    decode(data, Path("x.dcm"))


def _mask(data: bytes, folder: Path) -> None:
    (folder / "mask.png").write_bytes(data)
    read_index(folder / "mask.png")


def targets() -> dict[str, Target]:
    colour = np.dstack([GREY, GREY[::-1], GREY.T.reshape(HEIGHT, WIDTH)]).astype(np.uint8)

    def picture(data: bytes, _: Path) -> None:
        decode(data, Path("x.png"))

    pngs = (small_png(), _encoded(".png", GREY.astype(np.uint16) * 90), _encoded(".png", colour), index_png())
    jpegs = tuple(_pillow(PillowImage.fromarray(colour).convert(m), "JPEG") for m in ("RGB", "L", "CMYK"))
    tiffs = (_encoded(".tiff", GREY.astype(np.uint16)), _pillow(PillowImage.fromarray(colour), "TIFF"),
             _pillow(PillowImage.fromarray(GREY.astype(np.uint8)), "TIFF", compression="tiff_lzw"))  # fmt: skip
    others = (_encoded(".bmp", colour), _pillow(PillowImage.fromarray(colour), "WEBP"))
    return {
        "png": Target(pngs, picture, mutate_png),
        "jpeg": Target(jpegs, picture),
        "tiff": Target(tiffs, picture),
        "bmp-webp": Target(others, picture),
        "dicom": Target((dicom_film(), dicom_film(True)), _dicom),
        "mask": Target((index_png(), _encoded(".png", GREY.astype(np.uint16) % 5)), _mask, mutate_png),
    }
