"""Flags of a version's films: run, stored beside the manifest, and looked up by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.decisions import ACCEPTED, OUTCOMES, REJECTED, UNDECIDED, Decision, load_decisions
from curate.flags.result import FilmFlags, Flag
from curate.flags.store import JOURNAL, load_flags, remember, save_flags
from curate.manifest import SampleRow, Version
from curate.manifest.commit import writing

if TYPE_CHECKING:
    from curate.flags.film import Film

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def _plain(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


@dataclass(frozen=True)
class Raised:
    """A flag raised on a film of a version, and what people said of it.

    Attributes:
        id: of the sample. flag: as the detector gave it. detector: the detector's version then.
        decision: the one that stands, ``None`` while nobody has decided. stale: a decision on an older answer (of
        other bytes, other labels or another version of the detector), which does not count.
        partner: path of the film that a (near-)duplicate was told to be a copy of.
    """

    id: str
    flag: Flag
    detector: int
    decision: Decision | None = None
    stale: Decision | None = None
    partner: str | None = None

    @property
    def outcome(self) -> str:
        return UNDECIDED if self.decision is None else self.decision.outcome


def _judged(version: Version) -> list[tuple[SampleRow, FilmFlags]]:
    """Each film on which the detectors' stored answers hold; what was said of other bytes does not count."""
    there = ((version.by_id.get(name), result) for name, result in load_flags(version.root).items())
    return [(row, result) for row, result in there if row is not None and result.digest.split()[0] == row.digest]


def flags_named(version: Version, words: Sequence[str]) -> tuple[str, ...]:
    """The flags, or tags of this version, that some words name; everyday words such as ``ring`` count.

    Raises:
        UsageError: a word that is neither.
    """
    if not words:
        return ()
    from curate.flags.words import flags_meant  # brings in every detector

    def tags() -> set[str]:
        return {tag for some in version.table(["tags"])["tags"].to_pylist() for tag in some or ()}

    return flags_meant(words, tags)


def raised_flags(version: Version) -> list[Raised]:
    """Every flag raised on a version's films, in the order of the store, and what people said of it.

    Raises:
        ManifestError: the stored flags or decisions are damaged.
    """
    return _raised(version, _judged(version))


def _raised(version: Version, judged: list[tuple[SampleRow, FilmFlags]]) -> list[Raised]:
    from curate.flags.registry import DETECTORS  # brings in every detector

    kept_as = {d.name: d.key for d in DETECTORS}
    decisions = load_decisions(version.root)
    found = []
    for row, result in judged:
        for flag in result.flags:
            if flag.flagged:
                detector = result.kept.get(kept_as.get(flag.name, flag.name), {}).get("version", 0)
                said = decisions.on(row.id, flag.name, row.digest, detector)
                partner = result.measures.get(f"{flag.name.replace('-', '_')}_of")
                found.append(Raised(row.id, flag, detector, *said, partner))
    return found


def flags_by_sample(version: Version, reviewed: bool = False) -> dict[str, tuple[str, ...]]:
    """Id of each film that was judged -> names of the flags that stand on it: all but those that a person rejected.

    Args:
        reviewed: only those that a person accepted.
    """
    judged = _judged(version)
    standing: dict[str, tuple[str, ...]] = {row.id: () for row, _ in judged}
    for one in _raised(version, judged):
        if one.outcome == ACCEPTED or (not reviewed and one.outcome != REJECTED):
            standing[one.id] += (one.flag.name,)
    return standing


def tally(version: Version, names: Sequence[str]) -> dict[str, int]:
    """How people decided on the flags of these names: ``accepted``, ``rejected``, ``undecided``, and of the undecided
    those with a ``stale`` decision."""
    some = [one for one in raised_flags(version) if one.flag.name in names]
    counts = {outcome: sum(one.outcome == outcome for one in some) for outcome in OUTCOMES}
    return counts | {"stale": sum(one.stale is not None for one in some)}


def tally_line(counts: Mapping[str, int], names: Sequence[str]) -> str:
    """``tally`` in words."""
    total = sum(counts[outcome] for outcome in OUTCOMES)
    stale = f", {counts['stale']} of them decided on an older answer" if counts["stale"] else ""
    return (
        f"{total} flags ({', '.join(names)}): {counts[ACCEPTED]} accepted, {counts[REJECTED]} rejected, "
        f"{counts[UNDECIDED]} undecided{stale}; `curate review` decides"
    )


def flag_version(version: Version, detectors: Sequence[str] = (), progress: Progress = _plain) -> list[FilmFlags]:
    """Run detectors over a version's originals and store what they say; children are their parents' affair.

    What is stored of the same bytes by the same detectors is not done again, and each film's answers are written as
    they come, so that an interrupted run resumes.

    Args:
        detectors: names; all of them by default; everyday words such as ``ring`` count.
        progress: wraps the iteration over films, to show it.

    Raises:
        UsageError: no detector of that name. LockedError: another process is writing the manifest.
    """
    from curate.flags import films_from_version  # detectors are many and only needed here

    films = [film for film in films_from_version(version) if version.by_id[film.id].is_original]
    return _flagged(films, detectors, progress, version.root)


def flag_folder(
    folder: Path, detectors: Sequence[str] = (), progress: Progress = _plain, store: Path | None = None
) -> list[FilmFlags]:
    """Run detectors over any folder of pictures.

    Args:
        store: a folder in which to keep what they say, as ``flag_version`` does beside the manifest; nothing is kept
            without.

    Raises:
        UsageError: no such folder, no picture in it, no detector of that name. LockedError: another process is writing
            the store.
    """
    from curate.flags import films_from_folder

    return _flagged(films_from_folder(folder), detectors, progress, store)


def _flagged(films: Sequence[Film], detectors: Sequence[str], progress: Progress, root: Path | None) -> list[FilmFlags]:
    from curate.flags import run_detectors

    run = partial(run_detectors, films, _detectors(detectors), partial(progress, total=len(films)))
    if root is None:
        return run()
    with writing(root):
        known = load_flags(root)
        if (root / JOURNAL).exists():
            save_flags(root, ())  # what a killed run left: nothing is appended to a line that was cut

        def keep(result: FilmFlags) -> None:
            before = known.get(result.id)
            same = before is not None and before.digest == result.digest
            if not same or any(before.kept.get(key) != found for key, found in result.kept.items()):
                remember(root, result)

        results = run(known, keep)
        save_flags(root, results)
    return results


def _detectors(words: Sequence[str]) -> tuple[str, ...] | None:
    from curate.flags.words import EVERYDAY  # brings in every detector

    return tuple(EVERYDAY.get(word, word) for word in words) or None


def raised(results: Sequence[FilmFlags]) -> list[tuple[str, str, str, str]]:
    """(film, flag, score, why) of each flag raised, in the order of the films."""
    return [
        (printable(r.image), f.name, f"{f.score:.2f}", printable(f.why)) for r in results for f in r.flags if f.flagged
    ]


def printable(text: str) -> str:
    """A name as a terminal may show it: a line break or an escape in it is written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
