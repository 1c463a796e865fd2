"""Pictures in and out, and those that must not come in."""

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from curate.errors import CarpusError, ImageError
from curate.sample.image import background_level, encode_png, read_header, read_image, to_uint8, write_png


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_our_png_decodes_elsewhere_to_the_same_pixels(width, height, seed):
    gray = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_png(gray), np.uint8), cv2.IMREAD_UNCHANGED), gray)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**31))
@settings(max_examples=20)
def test_16_bits_come_back_as_they_were(width, height, seed):
    deep = np.random.default_rng(seed).integers(0, 1 << 16, (height, width), dtype=np.uint16)
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_png(deep), np.uint8), cv2.IMREAD_UNCHANGED), deep)


def test_equal_channels_become_one_and_unequal_ones_their_luminance(tmp_path):
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    cv2.imwrite(str(tmp_path / "three.png"), np.dstack([gray] * 3))
    image = read_image(tmp_path / "three.png")
    assert np.array_equal(image.gray, gray)
    assert (image.channels, image.equal) == (3, True)
    colour = np.dstack([gray, gray + 60, gray + 100])
    cv2.imwrite(str(tmp_path / "colour.png"), colour)
    image = read_image(tmp_path / "colour.png")
    assert not image.equal
    assert np.array_equal(image.gray, cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))


def test_twelve_bits_in_a_sixteen_bit_file_keep_their_contrast(tmp_path):
    values = np.linspace(0, 4095, 256, dtype=np.uint16).reshape(16, 16)
    cv2.imwrite(str(tmp_path / "deep.png"), values)
    image = read_image(tmp_path / "deep.png")
    assert image.bits == 16
    assert image.gray.max() == 255
    assert np.array_equal(image.gray, (values >> 4).astype(np.uint8))
    assert np.array_equal(image.full, values)
    assert to_uint8(np.array([[65535, 256]], np.uint16)).tolist() == [[255, 1]]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP"])
def test_formats(tmp_path, form):
    path = tmp_path / f"film with blanks 뼈.{form.lower()}"
    gray = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (40, 1))
    PillowImage.fromarray(gray).save(path, form)
    image = read_image(path)
    assert image.gray.shape == (40, 64)
    assert np.abs(image.gray.astype(int) - gray).max() <= 4
    assert image.header.format == form


def test_cmyk_and_animated_pictures_are_read(tmp_path):
    PillowImage.new("CMYK", (20, 10), (0, 0, 0, 255)).save(tmp_path / "c.jpg")
    assert read_image(tmp_path / "c.jpg").gray.max() < 16
    frames = [PillowImage.new("L", (20, 10), v) for v in (200, 10)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    image = read_image(tmp_path / "a.png")
    assert image.header.frames == 2
    assert image.gray.mean() == 200


def bomb(path, width=30000, height=30000):
    """A tiny PNG that claims to be enormous."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 64)), (b"IEND", b"")):
        data += struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data)


def test_the_limit_on_pixels_is_ours_and_pillow_keeps_its_own(tmp_path):
    before = PillowImage.MAX_IMAGE_PIXELS
    bomb(tmp_path / "large.png", 14_000, 14_000)
    assert read_header((tmp_path / "large.png").read_bytes(), tmp_path).width == 14_000
    bomb(tmp_path / "larger.png", 14_000, 15_000)
    with pytest.raises(ImageError, match="14000 x 15000 is more than"):
        read_header((tmp_path / "larger.png").read_bytes(), tmp_path)
    assert before == PillowImage.MAX_IMAGE_PIXELS


def test_what_is_no_picture_is_refused_by_name(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    whole = encode_png(gray)
    cases = {
        "empty.png": (b"", "is empty"),
        "text.png": (b"hello, I am no picture", "not a picture"),
        "cut.png": (whole[: len(whole) // 2], "truncated"),
        "flipped.png": (whole[:100] + bytes([whole[100] ^ 8]) + whole[101:], "checksum"),
        "cut.jpg": (cv2.imencode(".jpg", gray)[1].tobytes()[:-200], "truncated"),
    }
    for name, (data, fault) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError, match=fault) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
    bomb(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="refused before decoding"):
        read_image(tmp_path / "bomb.png")
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path)


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_never_give_another_error(tmp_path_factory, noise, at):
    data = bytearray(encode_png(np.zeros((32, 32), np.uint8)))
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(data)
    with contextlib.suppress(ImageError):
        assert read_image(path).gray.dtype == np.uint8


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "film.png"
    write_png(path, np.zeros((4, 4), np.uint8))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CarpusError, match="No space left"):
        write_png(path, np.ones((4, 4), np.uint8))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["film.png"]


def test_background_is_the_level_of_the_empty_film():
    gray = np.full((40, 40), 17, np.uint8)
    gray[10:, 15:25] = 200
    assert background_level(gray) == 17
