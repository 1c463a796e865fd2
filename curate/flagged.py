"""Flags of a version's films: run, stored beside the manifest, and looked up by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from curate.flags.result import FilmFlags
from curate.flags.store import load_flags, save_flags
from curate.manifest import Version
from curate.manifest.commit import writing

SAVE_EVERY = 50
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def _plain(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


def flags_by_sample(version: Version) -> dict[str, tuple[str, ...]]:
    """Sample id -> names of the flags raised on it, from the store; what was said of other bytes does not count."""
    return {
        name: result.flagged
        for name, result in load_flags(version.root).items()
        if name in version.by_id and result.digest.split()[0] == version.by_id[name].digest
    }


def flag_version(version: Version, detectors: Sequence[str] = (), progress: Progress = _plain) -> list[FilmFlags]:
    """Run detectors over a version's originals and store what they say; children are their parents' affair.

    What is stored of the same bytes by the same detectors is not done again, and every ``SAVE_EVERY`` films are
    stored at once, so that an interrupted run resumes.

    Args:
        detectors: names; all of them by default.
        progress: wraps the iteration over films, to show it.

    Raises:
        UsageError: no detector of that name. LockedError: another process is writing the manifest.
    """
    from curate.flags import films_from_version, run_detectors  # detectors are many and only needed here

    films = [film for film in films_from_version(version) if version.by_id[film.id].is_original]
    with writing(version.root):
        known = load_flags(version.root)
        fresh: list[FilmFlags] = []

        def keep(result: FilmFlags) -> None:
            fresh.append(result)
            if len(fresh) >= SAVE_EVERY:
                if any(r.id not in known or r.kept != known[r.id].kept for r in fresh):
                    save_flags(version.root, fresh)
                fresh.clear()

        show = partial(progress, total=len(films))
        results = run_detectors(films, tuple(detectors) or None, show, known, keep)
        save_flags(version.root, results)
    return results


def flag_folder(folder: Path, detectors: Sequence[str] = (), progress: Progress = _plain) -> list[FilmFlags]:
    """Run detectors over any folder of pictures; nothing is stored."""
    from curate.flags import films_from_folder, run_detectors

    films = films_from_folder(folder)
    return run_detectors(films, tuple(detectors) or None, partial(progress, total=len(films)))


def raised(results: Sequence[FilmFlags]) -> list[tuple[str, str, str, str]]:
    """(film, flag, score, why) of each flag raised, in the order of the films."""
    return [(r.image, f.name, f"{f.score:.2f}", f.why) for r in results for f in r.flags if f.flagged]
