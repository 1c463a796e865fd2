"""Pictures in and out: a header is read before any pixel, and what comes out is grey, 8 bits, (height, width)."""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from isal import isal_zlib
from PIL import Image as PillowImage

from curate.errors import ImageError
from curate.files import write_atomically
from curate.sample import dicom
from curate.sample.png import decode_gray_png, encode_png

MAX_PIXELS = 200_000_000
"""A picture that claims more is refused before it is decoded (a 14,000 x 14,000 film still enters)."""

MAX_BYTES = 1 << 31

FAULTS = (OSError, SyntaxError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError, struct.error,
          zlib.error, EOFError)  # fmt: skip
"""What Pillow lets through on files that are broken (its own errors are ``OSError``)."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".dcm")


@dataclass(frozen=True)
class Header:
    """What a file says of its picture before a pixel is decoded.

    Attributes:
        bits: per channel as stored. channels: as stored. frames: more than one for animated or multi-page files.
        truncated: one phrase on what is missing or damaged, or ``None``; decoders fill it in without a word.
    """

    format: str
    width: int
    height: int
    mode: str
    bits: int
    frames: int
    truncated: str | None


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded picture.

    Attributes:
        gray: uint8 array of shape (height, width).
        channels: as stored; ``equal`` tells whether they all held the same values.
        full: the stored grey values at full depth, uint16 of shape (height, width), for a 16-bit file; else ``None``.
    """

    gray: np.ndarray
    header: Header
    channels: int
    equal: bool
    full: np.ndarray | None = None

    @property
    def width(self) -> int:
        return self.gray.shape[1]

    @property
    def height(self) -> int:
        return self.gray.shape[0]

    @property
    def bits(self) -> int:
        return self.header.bits


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file; raises ``ImageError`` naming it."""
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode):
            raise ImageError(path, "is not a regular file")
        if info.st_size == 0:
            raise ImageError(path, "is empty (0 bytes)")
        if info.st_size > MAX_BYTES:
            raise ImageError(path, f"has {info.st_size} bytes, more than {MAX_BYTES}")
        return Path(path).read_bytes()
    except OSError as error:
        raise ImageError(path, f"cannot be read: {error.strerror or error}") from None


def _truncation(data: bytes, form: str) -> str | None:
    """What is missing at the end of a PNG or JPEG, or which PNG chunk is damaged."""
    if form == "PNG":
        at, view = 8, memoryview(data)
        while at + 12 <= len(data):
            length, kind = struct.unpack_from(">I4s", data, at)
            body = view[at + 4 : at + 8 + length]
            at += 12 + length
            if at <= len(data) and isal_zlib.crc32(body) != int.from_bytes(view[at - 4 : at], "big"):
                return f"has a {kind.decode('latin-1')} chunk that fails its checksum"
            if kind == b"IEND":
                return None if at <= len(data) else "ends inside its last PNG chunk"
        return "ends before its last PNG chunk"
    if form == "JPEG" and data.rstrip(b"\x00").rfind(b"\xff\xd9", -4096) < 0:
        return "ends before the JPEG end marker"
    return None


_PILLOW = threading.Lock()
"""Warning filters and Pillow's limit belong to all threads: two that set them aside would not both put them back."""


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[PillowImage.Image]:
    """A picture as Pillow opens it, without Pillow's own limit on pixels: the limit here is held to before any is
    decoded."""
    with _PILLOW, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            with PillowImage.open(BytesIO(data)) as picture:
                yield picture
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


_BITS = {"1": 1, "I;16": 16, "I;16B": 16, "I;16L": 16, "I": 32, "F": 32}


def read_header(data: bytes, path: Path) -> Header:
    """Format, size, depth and completeness of a picture, without decoding it.

    Raises:
        ImageError: not a picture, or more than ``MAX_PIXELS`` pixels.
    """
    if dicom.is_dicom(data):
        width, height, bits, frames = dicom.shape(data, path)
        return Header("DICOM", width, height, "L", bits, frames, None)
    try:
        with opened(data) as picture:
            form, (width, height), mode = picture.format or "?", picture.size, picture.mode
            frames = getattr(picture, "n_frames", 1) if width * height <= MAX_PIXELS else 1
            bits = _BITS.get(mode, 8)
            if form == "PNG" and len(data) > 24:
                bits = data[24]
            if form == "TIFF":
                bits = int(np.max(picture.tag_v2.get(258, (bits,))))
    except FAULTS:
        raise ImageError(path, "is not a picture that can be read") from None
    if width * height > MAX_PIXELS:
        raise ImageError(path, f"is refused before decoding: {width} x {height} is more than {MAX_PIXELS} pixels")
    return Header(form, width, height, mode, bits, frames, _truncation(data, form))


def to_uint8(values: np.ndarray) -> np.ndarray:
    """Grey values of any unsigned depth as uint8: the top 8 of the bits that the largest value needs.

    A 12-bit film in a 16-bit file thus keeps its contrast; 8-bit values come back as they are.
    """
    if values.dtype == np.uint8:
        return values
    bits = max(int(values.max(initial=0)).bit_length(), 8)
    return (values >> (bits - 8)).astype(np.uint8)


def _decode(data: bytes, header: Header, path: Path) -> np.ndarray:
    if header.format == "DICOM":
        return dicom.pixels(data, path)
    pixels = None
    if header.mode != "CMYK":
        with contextlib.suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is not None and pixels.dtype not in (np.uint8, np.uint16):
            pixels = None
    if pixels is None:
        try:
            with opened(data) as picture:
                pixels = np.asarray(picture.convert("L"))
        except FAULTS as error:
            raise ImageError(path, f"cannot be decoded: {error}") from None
    return pixels


def decode(data: bytes, path: Path, allow_truncated: bool = False, header: Header | None = None) -> Image:
    """Decode a picture from the bytes of a file.

    Channels that hold the same values become one; unequal ones become their luminance (ITU-R BT.601),
    CMYK through Pillow. Alpha is left out. The first frame of an animated file is taken.

    Args:
        header: what ``read_header`` made of these bytes, where that was asked already.

    Raises:
        ImageError: refused, not a picture, truncated (unless allowed), or broken.
    """
    header = read_header(data, path) if header is None else header
    if header.truncated and not allow_truncated:
        raise ImageError(path, f"is truncated or damaged: it {header.truncated}")
    plain = header.format == "PNG" and header.frames == 1 and header.truncated is None
    if plain and (found := decode_gray_png(data)) is not None:
        return Image(found[0], header, channels=found[1], equal=True)
    pixels = _decode(data, header, path)
    if pixels.shape[:2] != (header.height, header.width):
        raise ImageError(path, f"decodes to {pixels.shape[1]} x {pixels.shape[0]}, its header says otherwise")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    equal = True
    if channels > 1:
        first = cv2.extractChannel(pixels, 0)
        equal = all(np.array_equal(first, cv2.extractChannel(pixels, k)) for k in range(1, 3 if channels >= 3 else 1))
        pixels = first if equal else cv2.cvtColor(np.ascontiguousarray(pixels[..., :3]), cv2.COLOR_BGR2GRAY)
    full = pixels if pixels.dtype == np.uint16 else None
    return Image(to_uint8(pixels), header, channels, equal, full)


def read_image(path: str | os.PathLike) -> Image:
    """Read a picture file as grey 8-bit pixels.

    Raises:
        ImageError: names the file and what is wrong with it.
    """
    return decode(read_bytes(Path(path)), Path(path))


def write_png(path: str | os.PathLike, gray: np.ndarray) -> None:
    """Write a grey uint8 (height, width) array as PNG; the file appears whole or not at all."""
    write_atomically(Path(path), encode_png(gray))


def background_level(gray: np.ndarray) -> int:
    """The grey level of the empty film: the median of the outermost rows and columns."""
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return int(np.partition(border, len(border) // 2)[len(border) // 2])
