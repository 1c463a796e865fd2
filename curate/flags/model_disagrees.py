"""The flag that a trained network raises: its masks and the labels disagree on a film more than chance lets them.

No detector: it takes a run, which ``train errors`` has, that then stores the flag here, beside what the detectors say.
"""

from __future__ import annotations

from collections.abc import Mapping

from curate.flags.result import FilmFlags, Finding, Flag
from curate.flags.store import save_flags
from curate.manifest import Version
from curate.manifest.commit import writing

NAME = "model-disagrees"
THRESHOLD = 0.5


def store(version: Version, findings: Mapping[str, Finding]) -> int:
    """Keep what a model says of films of a version; what it said of them before is replaced.

    Args:
        findings: sample id -> finding, for every film that was judged; flagged at a score of ``THRESHOLD`` or above.

    Returns:
        films flagged.

    Raises:
        UsageError: no such sample. LockedError: another process is writing the manifest.
    """
    entries = []
    for name, found in findings.items():
        row = version.row(name)
        flag = Flag(NAME, min(max(float(found.score), 0.0), 1.0), THRESHOLD, found.where, found.why)
        digest = f"{row.digest} {row.file} {row.label_file}"
        entries.append(FilmFlags(row.id, row.image or row.id, digest, [flag], asked=(NAME,)))
    with writing(version.root):
        save_flags(version.root, entries)
    return sum(entry.flags[0].flagged for entry in entries)
