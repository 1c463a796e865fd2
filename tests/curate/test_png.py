"""The fast way to read a PNG gives what the general decoders give, or leaves the file to them."""

import struct
import zlib

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.sample.image import decode
from curate.sample.png import decode_gray_png, encode_png


def filtered(pixels: np.ndarray, kinds: np.ndarray) -> bytes:
    """The rows of a picture, (h, w, channels), each by its filter type (section 9 of the specification)."""
    height, width, step = pixels.shape
    flat = pixels.reshape(height, width * step).astype(int)
    out = bytearray()
    for y, kind in enumerate(kinds.tolist()):
        out.append(kind)
        for x in range(width * step):
            a = flat[y, x - step] if x >= step else 0
            b = flat[y - 1, x] if y else 0
            c = flat[y - 1, x - step] if y and x >= step else 0
            p = a + b - c
            paeth = min((a, b, c), key=lambda v, p=p: abs(p - v))
            out.append(int(flat[y, x] - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
    return bytes(out)


def png(pixels: np.ndarray, stream: bytes, bits: int = 8, interlaced: int = 0, more: bytes = b"") -> bytes:
    """A PNG around a filtered stream, its compressed bytes in several chunks."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    colour = {1: 0, 3: 2}[pixels.shape[2]]
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, colour, 0, 0, interlaced)
    packed = zlib.compress(stream)
    cut = len(packed) // 2
    body = chunk(b"IDAT", packed[:cut]) + chunk(b"IDAT", packed[cut:])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + body + chunk(b"IEND", b"")


@given(st.integers(1, 24), st.integers(1, 24), st.sampled_from([1, 3]), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_filter_in_grey_and_in_equal_channels(width, height, channels, smooth, seed):
    rng = np.random.default_rng(seed)
    gray = rng.integers(0, 256, (height, width), dtype=np.uint8)
    if smooth:
        gray = cv2.GaussianBlur(gray, (0, 0), 3)
    pixels = np.repeat(gray[..., None], channels, axis=2)
    data = png(pixels, filtered(pixels, rng.integers(0, 5, height)))
    found, count = decode_gray_png(data)
    assert count == channels
    assert np.array_equal(found, gray)
    elsewhere = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(elsewhere.reshape(pixels.shape), pixels)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_what_was_written_is_read(width, height, seed):
    gray = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    found, channels = decode_gray_png(encode_png(gray))
    assert channels == 1
    assert np.array_equal(found, gray)


def test_other_kinds_are_left_to_the_general_decoder(tmp_path):
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (6, 5, 1), dtype=np.uint8)
    colour = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    plain = np.zeros(6, int)
    transparent = struct.pack(">I", 2) + b"tRNS" + b"\0\7" + struct.pack(">I", zlib.crc32(b"tRNS\0\7"))
    cases = {
        "unequal channels": png(colour, filtered(colour, plain)),
        "transparent": png(gray, filtered(gray, plain), more=transparent),
        "sixteen bits": cv2.imencode(".png", gray.astype(np.uint16))[1].tobytes(),
        "four channels": cv2.imencode(".png", np.repeat(gray, 4, axis=2))[1].tobytes(),
        "jpeg": cv2.imencode(".jpg", gray)[1].tobytes(),
        "too much data": png(gray, filtered(gray, plain) + b"\0"),
        "too little data": png(gray, filtered(gray, plain)[:-1]),
        "interlaced": png(gray, filtered(gray, plain), interlaced=1),
    }
    for name, data in cases.items():
        assert decode_gray_png(data) is None, name
    luminance = cv2.cvtColor(np.ascontiguousarray(colour[..., ::-1]), cv2.COLOR_BGR2GRAY)
    image = decode(cases["unequal channels"], tmp_path)
    assert np.array_equal(image.gray, luminance)
    assert not image.equal


def test_an_unknown_filter_is_refused():
    gray = np.zeros((3, 3, 1), np.uint8)
    stream = bytearray(filtered(gray, np.zeros(3, int)))
    stream[4] = 7
    assert decode_gray_png(png(gray, bytes(stream))) is None
