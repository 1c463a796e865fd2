"""Random changes to files: bytes, words and numbers, and the insides of what is packed (PNG, zip)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np

WORDS = (b"null", b"true", b"-1", b"1e999", b"1e308", b"999999999999999999999", b"[]", b"{}", b'""', b"NaN", b"\x00",
         b"[[[[[[[[[[", b"../../../x", b"/etc/x", b'"\\ud800"', b"0.5", b"*x", b"&x", b"!!python/object:x", b"\xff\xfe",
         b"1e-320", b"-0.0", b"2147483648", b"1.5", b'"a"', b"false", b"\\u0000", b"\r\n", b"<b>", b"0x10", b"1_0",
         b"2024-99-99", b"inf", b".nan", b"\xe2\x80\xa8")
"""What is spliced in: values of other types and sizes."""  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """A few random changes: bytes, words, numbers, pieces left out, doubled or moved; one that is really changed."""
    for _ in range(int(rng.integers(1, 6))):
        at, upto = sorted(int(n) for n in rng.integers(0, len(data) + 1, 2))
        upto = min(upto, at + int(rng.integers(1, 24)))
        kind = int(rng.integers(7))
        if kind == 0:
            data = data[:at] + rng.bytes(int(rng.integers(1, 4))) + data[upto:]
        elif kind == 1:
            data = data[:at] + WORDS[int(rng.integers(len(WORDS)))] + data[upto:]
        elif kind == 2:
            data = data[:at] + data[upto:]
        elif kind == 3:
            data = data[:at] + data[at:upto] * int(rng.integers(2, 5)) + data[upto:]
        elif kind == 4:
            data = data.replace(data[at:upto] or b"0", WORDS[int(rng.integers(len(WORDS)))], 1)
        elif kind == 5:
            data = _value(data, rng)
        else:
            data = data[: max(at, 1)]
        data = data or b" "
    return data


def _value(data: bytes, rng: np.random.Generator) -> bytes:
    """One whole value of a text (between its separators) taken for another: keeps JSON, YAML and CSV well-formed."""
    edges = [k for k, c in enumerate(data) if c in b',:[]{}"; =\n<>']
    if len(edges) < 2:
        return data
    k = int(rng.integers(len(edges) - 1))
    start, end = edges[k] + 1, edges[k + 1]
    if data[start - 1 : start] == b'"' and rng.random() < 0.5:  # the quotes go as well
        start, end = start - 1, end + 1
    return data[:start] + WORDS[int(rng.integers(len(WORDS)))] + data[end:]


def mutate_png(data: bytes, rng: np.random.Generator) -> bytes:
    """One chunk changed inside, with its checksum made right again; sometimes the pixels beneath the deflate."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + size]])
        at += 12 + size
    if not chunks or rng.random() < 0.2:
        return mutate(data, rng)
    one = chunks[int(rng.integers(len(chunks)))]
    if one[0] == b"IDAT" and rng.random() < 0.5:
        try:
            one[1] = zlib.compress(mutate(zlib.decompress(one[1]), rng))
        except zlib.error:
            one[1] = mutate(one[1], rng)
    else:
        one[1] = mutate(one[1] or b" ", rng)
    if rng.random() < 0.2:
        chunks.insert(int(rng.integers(len(chunks))), list(one))
    parts = [data[:8]]
    for kind, body in chunks:
        parts += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(kind + body))]
    return b"".join(parts)


def mutate_zip(data: bytes, rng: np.random.Generator) -> bytes:
    """One member changed and packed again."""
    if rng.random() < 0.2:
        return mutate(data, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [[name, archive.read(name)] for name in archive.namelist()]
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, EOFError, RuntimeError):
        return mutate(data, rng)
    if not members:
        return mutate(data, rng)
    chosen = members[int(rng.integers(len(members)))]
    chosen[1] = mutate(chosen[1] or b" ", rng)
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, body in members:
            archive.writestr(name, body)
    return sink.getvalue()
