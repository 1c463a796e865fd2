"""Which films a set is, and measuring them all: a version, its training or test films, or a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from curate.errors import CarpusError, UsageError
from curate.flags import Film, films_from_folder, films_from_version
from curate.flags.exposure import DETECTOR as EXPOSED
from curate.flags.rotation import DETECTOR as TURNED
from curate.flags.store import load_flags
from curate.manifest import EVALUATION_ONLY, Manifest, SampleRow, Version
from curate.manifest.head import NAME
from curate.sample.read import LABELS, SampleReader
from curate.stats.films import EXPOSURE, FilmFacts, measure_labels

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

TEST = "test"
META = ("age", "height", "weight", "sex")


@dataclass
class FilmSet:
    """Films that are looked at as one.

    Attributes:
        name: as people call it. films: measured, sorted by id. patients_known: whether ``group`` means patients.
        faults: what could not be read, a line each. asked_network: films whose fingers only the network could place.
    """

    name: str
    classes: tuple[str, ...]
    films: list[FilmFacts]
    patients_known: bool = True
    faults: list[str] = field(default_factory=list)
    asked_network: int = 0


def of_version(
    version: Version,
    rows: Sequence[SampleRow],
    name: str,
    progress: Progress = lambda items, total: items,
    known: FilmSet | None = None,
) -> FilmSet:
    """Measure some samples of a version.

    Orientation is that of the labels where there are labels; else the stored answer of the ``rotation`` detector, and
    where there is none, that detector is asked. Exposure is the stored measure of the ``exposure`` detector, else it is
    measured. What is stored counts only for the same bytes and the same version of the detector.

    Args:
        known: another set of this manifest, whose films need not be measured again.
    """
    measured = {} if known is None else {(f.id, f.digest): f for f in known.films}
    again = {row.id: measured[row.id, row.digest] for row in rows if (row.id, row.digest) in measured}
    rows = [row for row in rows if row.id not in again]
    stored = _stored(version)
    wanted = {row.id for row in rows}
    pictures = {film.id: film for film in films_from_version(version) if film.id in wanted}
    result = FilmSet(name, tuple(version.classes), list(again.values()))
    reader = SampleReader(version, cache_mb=64, labels=LABELS)
    for row in progress(rows, len(rows)):
        facts: dict[str, Any] = {}
        if row.labelled:
            try:
                facts = measure_labels(reader.annotations(row.id), version.classes)
            except CarpusError as error:
                result.faults.append(str(error))
        facts |= _looked_at(pictures[row.id], facts, stored.get(row.id, {}), result)
        facts |= {"side": row.side, "meta": {key: row.meta[key] for key in META if key in row.meta}}
        film = FilmFacts(row.id, row.group, row.width, row.height, row.digest, original=row.is_original, **facts)
        result.films.append(film)
    result.films.sort(key=lambda film: film.id)
    return result


def of_folder(folder: Path, progress: Progress = lambda items, total: items) -> FilmSet:
    """Measure the pictures of a folder, of which nothing but the pixels is known."""
    films = films_from_folder(folder)
    result = FilmSet(str(folder), (), [], patients_known=False)
    for film in progress(films, len(films)):
        facts = _looked_at(film, {}, {}, result)
        if facts["exposure"] is not None:
            height, width = film.gray.shape
            result.films.append(FilmFacts(film.id, film.id, width, height, film.digest, **facts))
        film.close()
    if not result.films:
        raise UsageError(folder, f"holds no film that can be read: {result.faults[0]}")
    return result


def _stored(version: Version) -> dict[str, dict[str, Any]]:
    """Film id -> what earlier runs of the detectors keep of its exposure and its fingers."""
    found = {}
    for name, result in load_flags(version.root).items():
        row = version.by_id.get(name)
        if row is None or result.digest.split()[0] != row.digest:
            continue
        entries = ((d, result.kept.get(d.key)) for d in (EXPOSED, TURNED))
        found[name] = {d.name: e["found"] for d, e in entries if e is not None and e["version"] == d.version}
    return found


def _looked_at(film: Film, facts: dict[str, Any], stored: dict[str, Any], result: FilmSet) -> dict[str, Any]:
    """Exposure and orientation of a film, stored or measured; a film that cannot be read is put to the faults."""
    exposure, degrees = stored.get(EXPOSED.name), facts.get("fingers_deg")
    if degrees is None and stored.get(TURNED.name) is not None:
        degrees = stored[TURNED.name]["measures"]["fingers_deg"]
    try:
        if exposure is None:
            exposure = EXPOSED.measured(film)
        if degrees is None and TURNED.name not in stored and not facts.get("by_labels"):
            degrees = TURNED.look(film).measures["fingers_deg"]
            result.asked_network += 1
    except CarpusError as error:
        result.faults.append(str(error))
    if film.path is not None:
        film.close()
    kept = None if exposure is None else {key: float(exposure[key]) for key in EXPOSURE}
    return {"exposure": kept, "fingers_deg": degrees}


def everything(version: Version) -> tuple[list[SampleRow], str]:
    """All samples of a version, and its name."""
    return list(version.samples), version.name


def training(version: Version) -> tuple[list[SampleRow], str]:
    """What a version trains on, and what it is called."""
    rows = [r for r in version.samples if r.fold is not None and EVALUATION_ONLY not in r.tags]
    return rows, f"{version.name} training"


def testing(version: Version) -> tuple[list[SampleRow], str]:
    """A version's test films, labelled or not, and what they are called; raises ``UsageError`` where it has none."""
    rows = [r for r in version.samples if r.fold is None]
    if not rows:
        ways = "deliver them as test/DCM, freeze some with `curate split --test 0.2`, or name a folder of pictures"
        raise UsageError(version.name, f"has no test films; {ways}")
    return rows, f"{version.name} test"


def both(version: Version, against: str, progress: Progress = lambda items, total: items) -> tuple[FilmSet, FilmSet]:
    """The two sets of a comparison, measured.

    Args:
        against: "test" (then the training films are compared with the test films), a version or tag of this manifest,
            PATH or PATH:V for another manifest, or a folder of pictures.

    Raises:
        UsageError: nothing of that name.
    """
    names = (*version.manifest.head["versions"], *version.manifest.head.get("tags", {}))
    if against == TEST and TEST not in names:
        one, other = training(version), testing(version)
        return of_version(version, *one, progress), of_version(version, *other, progress)
    second = _second(version.manifest, against, names)
    if isinstance(second, Path):
        return of_version(version, *everything(version), progress), of_folder(second, progress)
    here = second.root == version.root
    rows, name = everything(second)
    name = name if here else f"{second.manifest.head.get('name', second.root.name)} {name}"
    first = of_version(version, *everything(version), progress)
    other = of_version(second, rows, name, progress, first if here else None)
    if not {f.digest for f in first.films} & {f.digest for f in other.films}:
        # another data set: its ID001 is another person
        other.films = [replace(f, group=f"{second.root}:{f.group}") for f in other.films]
    return first, other


def _second(manifest: Manifest, against: str, names: Sequence[str]) -> Version | Path:
    if against in names:
        return manifest.version(against)
    place, _, name = against.rpartition(":")
    for path, wanted in ((Path(against), None), *([(Path(place), name)] if place else [])):
        if path.is_file() or (path / NAME).is_file():
            return Manifest.find(path).version(wanted)
        if wanted is None and path.is_dir():
            return path
    raise UsageError("--against", f"{against} is neither {TEST}, a version here ({', '.join(names)}), "
                     "a manifest (PATH or PATH:V), nor a folder of pictures")  # fmt: skip
