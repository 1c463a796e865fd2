"""What is left of a truncated file: the picture up to where it breaks off, so that it can be looked at all the same."""

from __future__ import annotations

import struct
import zlib

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples per pixel by PNG colour type."""


def mended(data: bytes, form: str) -> bytes | None:
    """The bytes of a truncated PNG or JPEG made formally complete; ``None`` where that cannot be done.

    A JPEG gets its end marker: decoders fill in what is missing. A PNG's rows are inflated as far as they go (PNG
    specification, third edition), and the rest is zero.
    """
    if form == "JPEG":
        return data + b"\xff\xd9"
    return _png(data) if form == "PNG" else None


def _png(data: bytes) -> bytes | None:
    chunks, at = [], 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    header = next((body for kind, body in chunks if kind == b"IHDR" and len(body) == 13), None)
    if header is None or header[12] or header[9] not in _CHANNELS:  # interlaced: the rows do not come in order
        return None
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    size = height * (1 + (width * _CHANNELS[colour] * depth + 7) // 8)
    stream, rows = zlib.decompressobj(), b""
    try:
        for kind, body in chunks:
            if kind == b"IDAT" and len(rows) < size:
                rows += stream.decompress(body, size - len(rows))
    except zlib.error:
        pass  # damaged here: what came before still stands
    if not rows:
        return None
    palette = [c for c in chunks if c[0] == b"PLTE"]
    whole = [(b"IHDR", header), *palette, (b"IDAT", zlib.compress(rows.ljust(size, b"\0"), 1)), (b"IEND", b"")]
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in whole
    )
