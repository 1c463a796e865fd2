"""Tables of samples on disk: one Parquet file a version, holding only what that version changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.errors import ManifestError
from curate.files import digest_bytes
from curate.manifest.row import SampleRow

SCHEMA = pa.schema(
    [
        ("op", pa.string()),  # "put": added or replaced; "drop": gone from this version on
        ("id", pa.string()),
        ("image", pa.string()),
        ("labels", pa.string()),
        ("group", pa.string()),
        ("fold", pa.int32()),  # of a child, as planned; an original's comes from the split
        ("side", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("tags", pa.list_(pa.string())),
        ("parents", pa.list_(pa.string())),
        ("recipe", pa.string()),  # canonical JSON
        ("digest", pa.string()),
        ("pixels", pa.string()),
        ("file", pa.string()),
        ("label_file", pa.string()),
        ("meta", pa.string()),  # JSON
        ("dropped", pa.string()),  # JSON
    ]
)

_DAMAGED = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow says of a file that is no table; the last of column names."""


def _json(value) -> str | None:
    return None if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def to_table(put: Iterable[SampleRow], drop: Sequence[str] = ()) -> pa.Table:
    """Rows as an Arrow table, sorted by id, puts before drops."""
    records = [
        {
            "op": "put",
            "id": r.id,
            "image": r.image,
            "labels": r.labels,
            "group": r.group,
            "fold": r.fold if r.recipe is not None else None,
            "side": r.side,
            "width": r.width,
            "height": r.height,
            "tags": list(r.tags),
            "parents": list(r.parents),
            "recipe": _json(r.recipe),
            "digest": r.digest,
            "pixels": r.pixels,
            "file": r.file,
            "label_file": r.label_file,
            "meta": _json(dict(r.meta)),
            "dropped": _json(r.dropped),
        }
        for r in sorted(put, key=lambda r: r.id)
    ]
    records += [{"op": "drop", "id": name} for name in sorted(drop)]
    return pa.Table.from_pylist(records, schema=SCHEMA)


def to_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file; the same table gives the same bytes with the same pyarrow."""
    sink = BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3, write_page_checksum=True)
    return sink.getvalue()


def read_table(
    path: Path, digest: str | None = None, columns: Sequence[str] | None = None, pages_only: bool = False
) -> pa.Table:
    """Read a version's table.

    Args:
        digest: expected digest of the file's bytes; ``None`` skips the check.
        columns: only these, for a filter that needs few of them.
        pages_only: read no byte but those columns', and check these by their pages' own checksums.

    Raises:
        ManifestError: missing, not Parquet, other columns, or other bytes than the head says.
    """
    wanted = list(columns) if columns else None
    try:
        if pages_only:
            with pa.memory_map(str(path)) as source:
                table = pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=False).read(
                    columns=wanted, use_threads=False
                )
        else:
            data = _checked(path, digest)
            # no threads, and not pq.read_table, which starts one all the same: a pool still winding down when a short
            # command exits can abort the process
            table = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(columns=wanted, use_threads=False)
    except _DAMAGED as error:
        raise ManifestError(path, f"is not a table: {str(error).splitlines()[0]}") from None
    expected = SCHEMA if columns is None else pa.schema([SCHEMA.field(c) for c in columns])
    if not table.schema.equals(expected):
        raise ManifestError(path, "table has other columns than this version of carpus writes")
    return table


def read_rows(path: Path, digest: str | None, ids: pa.Array) -> pa.Table:
    """The rows of some samples, whole; the rest of the table is passed by a piece at a time and never held.

    Raises:
        ManifestError: as ``read_table``.
    """
    source = pa.BufferReader(_checked(path, digest))
    try:
        pieces = pq.ParquetFile(source, pre_buffer=False).iter_batches(batch_size=1 << 16, use_threads=False)
        kept = [piece.filter(pc.is_in(piece["id"], ids)) for piece in pieces]
        return pa.Table.from_batches(kept, SCHEMA)
    except _DAMAGED as error:
        raise ManifestError(path, f"is not a table: {str(error).splitlines()[0]}") from None


def _checked(path: Path, digest: str | None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(path, f"table cannot be read: {error.strerror or error}") from None
    if digest is not None and digest_bytes(data) != digest:
        raise ManifestError(path, "table does not match the digest in the manifest: it was changed or damaged")
    return data
