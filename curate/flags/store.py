"""Flags beside the manifest: ``data_manifest/flags.jsonl``, one line a film, sorted by id, replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from curate.errors import ManifestError, WriteError
from curate.files import write_atomically
from curate.flags.result import FilmFlags, Flag

FLAGS = Path("data_manifest") / "flags.jsonl"
JOURNAL = Path("data_manifest") / "flags.journal.jsonl"
"""What an interrupted run had done, one line a film as it came; gone once the run has saved its results."""


def _plain(result: FilmFlags) -> dict:
    """As stored; what is kept in one order, whichever detectors ran first."""
    told = result.to_dict()
    measures, kept = (dict(sorted(d.items())) for d in (told["measures"], result.kept))
    return {"id": result.id, "digest": result.digest, **told, "measures": measures, "kept": kept}


def _parsed(line: bytes) -> FilmFlags:
    row = orjson.loads(line)
    flags = [Flag.from_dict(f) for f in row["flags"]]
    result = FilmFlags(row["id"], row["image"], row["digest"], flags, row["measures"], row["kept"])
    texts = (result.id, result.image, result.digest, *(t for f in flags for t in (f.name, f.why)))
    if not all(isinstance(t, str) for t in texts) or not isinstance(result.kept, dict) or not result.digest.split():
        raise TypeError(texts)
    result.to_dict()  # numbers are numbers
    return result


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ManifestError(path, f"cannot be read: {error.strerror or error}") from None


def load_flags(root: Path) -> dict[str, FilmFlags]:
    """Stored results by film id, joined with those of an interrupted run; empty where none were stored.

    Raises:
        ManifestError: a line is not what ``save_flags`` writes.
    """
    path = Path(root) / FLAGS
    stored: dict[str, FilmFlags] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            result = _parsed(line)
        except (ValueError, KeyError, TypeError):
            raise ManifestError(path, f"line {number} is damaged; delete the file and flag again") from None
        stored[result.id] = result
    for line in _lines(Path(root) / JOURNAL):
        try:
            result = _parsed(line)
        except (ValueError, KeyError, TypeError):
            break  # the line at which the run was killed
        stored[result.id] = _joined(stored.get(result.id), result)
    return stored


def remember(root: Path, result: FilmFlags) -> None:
    """Append one film's answers to the journal, so that a run that is killed need not look at the film again.

    Raises:
        WriteError: the disk is full or the folder cannot be written.
    """
    path = Path(root) / JOURNAL
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            stream.write(orjson.dumps(_plain(result), option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
    except OSError as error:
        raise WriteError(path, f"cannot be written: {error.strerror or error}") from None


def _joined(old: FilmFlags | None, new: FilmFlags) -> FilmFlags:
    """The new result, with what other detectors said earlier of the same bytes."""
    if old is None or old.digest != new.digest:
        return new
    judged = {*new.asked, *(f.name for f in new.flags)}
    flags = [f for f in old.flags if f.name not in judged] + new.flags
    measures = {**{k: v for k, v in old.measures.items() if k != "faults"}, **_known(new.measures)}
    return FilmFlags(new.id, new.image, new.digest, flags, measures, {**old.kept, **new.kept})


def _known(measures: dict) -> dict:
    return {k: v for k, v in measures.items() if v is not None}


def save_flags(root: Path, results: Iterable[FilmFlags] | Mapping[str, FilmFlags]) -> Path:
    """Write results, joined with those stored of other films; sorted by id, so that the same results are the same
    bytes."""
    merged = load_flags(root)
    for result in results.values() if isinstance(results, Mapping) else results:
        merged[result.id] = _joined(merged.get(result.id), result)
    path = Path(root) / FLAGS
    lines = (orjson.dumps(_plain(merged[k]), option=orjson.OPT_SERIALIZE_NUMPY) for k in sorted(merged))
    write_atomically(path, b"".join(line + b"\n" for line in lines))
    (Path(root) / JOURNAL).unlink(missing_ok=True)
    return path
