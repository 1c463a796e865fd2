"""Run detectors over films: one pass in which each film is decoded once, then the judgements that need the whole
set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from curate.errors import CarpusError
from curate.flags.ahead import Ahead, one_core
from curate.flags.detector import FILE, LABELS, Detector, FilmDetector, SetDetector
from curate.flags.film import Film
from curate.flags.registry import choose
from curate.flags.result import FilmFlags, Finding, Flag, rounded
from curate.flags.waiting import Part, Waiting

MISSING = object()


def _applies(detector: Detector, film: Film) -> bool:
    if detector.needs == FILE:
        return film.has_file
    if detector.needs == LABELS and not film.labelled:
        return False
    return film.fault is None


def _kept(detector: Detector, known: FilmFlags | None, digest: str) -> object:
    """The stored answer of this detector, or MISSING; a film that could not be read last time is looked at again."""
    if known is None or known.digest != digest or known.measures.get("faults"):
        return MISSING
    entry = known.kept.get(detector.key)
    return entry["found"] if entry is not None and entry["version"] == detector.version else MISSING


def _answer(detector: Detector, film: Film) -> object:
    """What is kept of one film for one detector: a finding as plain data, a measure, or ``None``; or the ``Part`` to
    measure."""
    if not _applies(detector, film):
        return None
    if isinstance(detector, SetDetector):
        return detector.measure(film) if detector.part is None else Part(detector, detector.part(film))
    found = detector.look(film)
    return None if found is None else found.to_dict()


def _wanted(film: Film, detectors: Sequence[Detector], known: FilmFlags | None) -> bool:
    """Whether some detector will look at the film's pixels."""
    asked = (d for d in detectors if d.needs != LABELS or film.labelled)
    return any(_kept(d, known, film.digest) is MISSING for d in asked)


def _pass_over(film: Film, detectors: Sequence[Detector], known: FilmFlags | None) -> FilmFlags:
    result, faults = FilmFlags(film.id, film.image, film.digest), set()
    for detector in detectors:
        if detector.key in result.kept:
            continue  # another detector asked for the same measure
        found = _kept(detector, known, film.digest)
        if found is MISSING:
            try:
                found = _answer(detector, film)
            except CarpusError as error:
                faults.add(str(error))
                continue  # nothing is kept of it: another run may have more luck
        result.kept[detector.key] = {"version": detector.version, "found": found}
        if isinstance(found, dict):
            faults.add(found.get("fault"))
    faults.add(vars(film).get("fault"))  # only where somebody asked for its pixels
    if told := faults - {None, ""}:
        result.measures["faults"] = sorted(told)
    film.close()
    return result


def _add(result: FilmFlags, detector: Detector, finding: Finding | None) -> None:
    if finding is not None:
        score = min(max(rounded(finding.score), 0.0), 1.0)
        result.flags.append(Flag(detector.name, score, detector.threshold, finding.where, finding.why))
        if finding.measures:
            result.measures.update(finding.measures)


def run_detectors(
    films: Iterable[Film],
    names: Sequence[str] | None = None,
    progress: Callable[[Iterable[Film]], Iterable[Film]] | None = None,
    known: Mapping[str, FilmFlags] | None = None,
    each: Callable[[FilmFlags], None] | None = None,
) -> list[FilmFlags]:
    """Everything the detectors say of the films: one entry for each, in their order, also for one that cannot be read.

    Args:
        names: detectors to run; all by default. progress: wraps the iteration over films, to show it.
        known: earlier results by film id; what they hold for a film's digest and a detector's version is not done
        again.
        each: called with a film's entry once the film was looked at (flags still to come), a quarter of a second
        later at most, to keep it for a resumed run.

    Raises:
        UsageError: for a name that is no detector.
    """
    detectors, films, known = choose(names), list(films), known or {}
    results: list[FilmFlags] = []
    with (
        one_core(not any(d.dear for d in detectors)),
        Waiting(each) as waiting,
        Ahead(films, lambda film: _wanted(film, detectors, known.get(film.id))) as ahead,
    ):
        for film in films if progress is None else progress(films):
            ahead.ready()
            results.append(_pass_over(film, detectors, known.get(film.id)))
            waiting.add(results[-1])
    for detector in detectors:
        entries = [r.kept.get(detector.key, {"found": None})["found"] for r in results]
        if isinstance(detector, FilmDetector):
            findings = [None if e is None else Finding.from_dict(e) for e in entries]
        else:
            there = [k for k, e in enumerate(entries) if e is not None]
            judged = detector.judge([films[k] for k in there], [entries[k] for k in there])
            findings = [None] * len(entries)
            for k, finding in zip(there, judged, strict=True):
                findings[k] = finding
                films[k].close()
        for result, finding in zip(results, findings, strict=True):
            _add(result, detector, finding)
    asked = tuple(d.name for d in detectors)
    for result in results:
        result.asked = asked
    return results
