"""Flags put on the films of a tiny set, without any detector having looked."""

from __future__ import annotations

from curate.flags.result import FilmFlags, Flag
from curate.flags.store import save_flags
from curate.manifest import Version

BOX = (20.0, 30.0, 60.0, 80.0)


def put_flags(
    version: Version, names: dict[str, list[str]], detector: int = 1, why: str = "Seen & said.", of: str | None = None
) -> None:
    """Store flags, the first film's with the highest score.

    Args:
        names: flag -> ids of the films on which it is raised. detector: version that is said to have raised them.
        of: path of the film that a near-duplicate is said to be a copy of.
    """
    results = []
    for row in version.samples:
        flags = [
            Flag(name, 0.95 - 0.05 * films.index(row.id), 0.5, BOX, why) for name, films in names.items()
            if row.id in films
        ]  # fmt: skip
        kept = {name: {"version": detector, "found": None} for name in names}
        measures = {} if of is None else {"near_duplicate_of": of}
        results.append(FilmFlags(row.id, row.image, f"{row.digest} {row.file} {row.label_file}", flags, measures, kept))
    save_flags(version.root, results)
