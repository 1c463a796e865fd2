"""What people decided of flags: ``data_manifest/review/decisions.jsonl``, one line a decision, appended as it is made.

A line is on the disk before its decision counts as made, nothing is ever rewritten, and the last line on a flag holds.
A decision is about one answer: of one detector in one version, on one film with these very bytes and labels. Where any
of these has changed since, the decision is stale: it is told, and does not count.
"""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import filelock
import orjson

from curate.errors import CarpusError, LockedError, ManifestError
from curate.files import inside, sync_folder
from curate.manifest.head import TABLES

DECISIONS = f"{TABLES}/review/decisions.jsonl"
ACCEPTED, REJECTED, UNDECIDED = "accepted", "rejected", "undecided"
"""The flag is right; it is a false alarm; and, after an undo, nobody has said."""

OUTCOMES = (ACCEPTED, REJECTED, UNDECIDED)
_PATIENCE = 10.0
_TAIL = 1 << 16


@dataclass(frozen=True)
class Decision:
    """One person's word on one flag.

    Attributes:
        id: of the sample. digest: its identity (picture and labels) when it was looked at. flag: the flag's name.
        detector: the version of the detector that raised it. outcome: of ``OUTCOMES``. by: who. at: when, UTC.
    """

    id: str
    digest: str
    flag: str
    detector: int
    outcome: str
    by: str
    at: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What the decision is about."""
        return self.id, self.flag, self.digest, self.detector


def now() -> str:
    """The time as decisions have it: ISO 8601, UTC, whole seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Decisions:
    """The last word on each flag, and the flags on which there is a word of another day."""

    def __init__(self, made: Iterator[Decision] | tuple[Decision, ...] = ()):
        self._last: dict[tuple[str, str, str, int], Decision] = {}
        self._about: dict[tuple[str, str], Decision] = {}
        for decision in made:
            self.add(decision)

    def __len__(self) -> int:
        return len(self._last)

    def add(self, decision: Decision) -> None:
        """Take a decision over; a later one on the same answer overrides an earlier one."""
        self._last[decision.key] = decision
        self._about[decision.id, decision.flag] = decision

    def on(self, id: str, flag: str, digest: str, detector: int) -> tuple[Decision | None, Decision | None]:
        """The standing decision on an answer, and else a stale one: on another version of the film or the detector."""
        last = self._last.get((id, flag, digest, detector))
        if last is not None:
            return (None if last.outcome == UNDECIDED else last), None
        other = self._about.get((id, flag))
        return None, (None if other is None or other.outcome == UNDECIDED else other)


def load_decisions(root: Path) -> Decisions:
    """Every decision of a data set; none where nobody has decided.

    A last line without its end is what a killed writer left before it said that the decision was made: it is not one.

    Raises:
        ManifestError: a line is damaged, or the file leads out of the data set.
    """
    path = inside(Path(root), DECISIONS)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Decisions()
    except OSError as error:
        raise ManifestError(DECISIONS, f"cannot be read: {error.strerror or error}") from None
    return Decisions(_parsed(data[: data.rfind(b"\n") + 1]))


def _parsed(data: bytes) -> Iterator[Decision]:
    for number, line in enumerate(data.splitlines(), 1):
        try:
            row = orjson.loads(line)
            decision = Decision(**row)
        except (ValueError, TypeError):
            raise ManifestError(DECISIONS, f"line {number} is damaged; take that line out") from None
        texts = (decision.id, decision.digest, decision.flag, decision.by, decision.at)
        if (
            decision.outcome not in OUTCOMES
            or not isinstance(decision.detector, int)
            or not all(isinstance(t, str) for t in texts)
        ):
            raise ManifestError(DECISIONS, f"line {number} is no decision; take that line out")
        yield decision


def record(root: Path, decision: Decision) -> None:
    """Append a decision; it is on the disk when this returns. Several people may decide at once.

    Raises:
        CarpusError: it could not be written, and then is not made. LockedError: another writer hangs.
    """
    path = inside(Path(root), DECISIONS)
    line = orjson.dumps(asdict(decision)) + b"\n"
    try:
        fresh = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.parent / ".lock", timeout=_PATIENCE), open(path, "ab+", buffering=0) as stream:
            end = _whole(stream)
            try:
                written = stream.write(line)
                if written != len(line):
                    raise OSError(None, "the disk took only a part of it")
                os.fsync(stream.fileno())
            except OSError:
                with contextlib.suppress(OSError):  # else the next writer takes the torn line away
                    stream.truncate(end)
                raise
        if fresh:
            sync_folder(path.parent)
            sync_folder(path.parent.parent)
    except filelock.Timeout:
        raise LockedError(DECISIONS, "is being written by another process that does not finish") from None
    except OSError as error:
        raise CarpusError(DECISIONS, f"cannot be written: {error.strerror or error}") from None


def _whole(stream) -> int:
    """Cut off a line that a killed writer left torn; gives the file's length."""
    end = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, end - _TAIL))
    tail = stream.read()
    if tail and not tail.endswith(b"\n"):
        end -= len(tail) - (tail.rfind(b"\n") + 1)
        stream.truncate(end)
    return end


def user() -> str:
    """The name that the system knows its user by, to put to decisions."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no entry for this user: as in some containers
        return "reviewer"
