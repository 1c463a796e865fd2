"""What an interrupted command had finished: one line a child, checked against the files before it is believed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from curate.errors import CarpusError
from curate.files import digest_file
from curate.manifest.head import PENDING, TABLES


class Journal:
    """Finished children of one step of one version that is not named yet.

    Args:
        root: of the data set. version: the name to be. step: what makes it; another step has another journal.
    """

    def __init__(self, root: Path, version: str, step: Mapping[str, Any]):
        key = hashlib.sha256(orjson.dumps(dict(step), option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
        self.root = root
        self.path = root / TABLES / PENDING / f"{version}-{key}.jsonl"

    def finished(self) -> dict[str, dict[str, Any]]:
        """id -> digests of its files, for every child whose files hold exactly the bytes that were noted."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CarpusError(self.path, f"cannot be read: {error.strerror or error}") from None
        done = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, OSError):
                entry = orjson.loads(line)  # the last line may be cut off
                for file, digest in (("image", "file"), ("labels", "label_file")):
                    if digest_file(self.root / entry[file]) != entry[digest]:
                        raise KeyError(file)
                done[entry["id"]] = entry
        return done

    def note(self, entry: Mapping[str, Any]) -> None:
        """Add one finished child; raises ``CarpusError`` when the disk is full."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as stream:
                stream.write(b"\n" + orjson.dumps(dict(entry)))
        except OSError as error:
            raise CarpusError(self.path, f"cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """The version is named: nothing is pending under its name any more, of this step or of another."""
        version = self.path.stem.rpartition("-")[0]
        with contextlib.suppress(OSError):
            for path in sorted(self.path.parent.glob("*.jsonl")):
                if path.stem.rpartition("-")[0] == version:
                    path.unlink()
            self.path.parent.rmdir()
