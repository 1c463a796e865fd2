"""Reading films: every file once, its labels in whatever format, and a row for each that can be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import joblib

from curate.anatomy import fingers_deg, side_of
from curate.errors import CarpusError, ImageError, ManifestError, UsageError, WriteError
from curate.files import digest_bytes, leaves, sweep_below, write_atomically
from curate.formats.competition import Found, find_samples
from curate.formats.foreign import find_foreign
from curate.formats.meta import patient_number, read_meta
from curate.formats.normal import FOLDER, label_document
from curate.formats.patients import read_table, with_patients
from curate.manifest.row import SampleRow, original_digest
from curate.presets import HAND_BONES
from curate.sample import dicom
from curate.sample.image import decode, read_bytes
from curate.sample.labelfile import read_labels

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Source:
    """Where films are and how they are kept.

    Attributes:
        root: folder of the data set. images, labels, meta: where they are, when not where the format has them.
        kind: name of the format, when it is not the competition's layout.
        tag_categories: categories that say something of the picture: tags of the sample rather than classes.
        group_by: a regular expression; what its first group (or the whole) matches in a sample's id is the patient.
    """

    root: Path
    images: Path | None = None
    labels: Path | None = None
    meta: Path | None = None
    kind: str | None = None
    tag_categories: tuple[str, ...] = ()
    group_by: str | None = None

    def step(self) -> dict[str, Any]:
        """What of it belongs into a version's step."""
        told = {"format": self.kind, "tag_categories": sorted(self.tag_categories), "group_by": self.group_by}
        return {k: v for k, v in told.items() if v}

    def find(self) -> tuple[list[Found], list[CarpusError], tuple[str, ...], tuple[str, ...]]:
        """Every film, what is refused before any is read, the classes that the format declares, and notes."""
        images, labels = (None if p is None else Path(os.path.abspath(p)) for p in (self.images, self.labels))
        classes: tuple[str, ...] = ()
        notes: tuple[str, ...] = ()
        if self.kind not in (None, "competition"):
            found, refused, classes, notes = find_foreign(
                self.root, self.kind, images, labels, self.tag_categories, self.group_by
            )
        elif self.tag_categories or self.group_by:
            raise UsageError("--tag-categories, --group-by", "need a --format other than the competition's")
        else:
            found, refused = find_samples(self.root, images, labels)
        return with_patients(found, self.root, {} if self.group_by else read_table(self.root)), refused, classes, notes

    def about(self, refused: list[CarpusError]) -> dict[int, dict]:
        """What a spreadsheet says of the patients; one that cannot be read is added to ``refused``."""
        usual = (self.root / "meta_data.xlsx", self.root / "train/meta_data.xlsx")
        sheet = self.meta or next((p for p in usual if p.is_file()), None)
        if sheet is not None:
            try:
                return read_meta(sheet)
            except CarpusError as error:
                inside = sheet.absolute().is_relative_to(self.root.absolute())
                where = sheet.absolute().relative_to(self.root.absolute()).as_posix() if inside else error.path
                refused.append(type(error)(where, error.detail))
        return {}


@dataclass
class Films:
    """What was read.

    Attributes:
        rows: one a film, without a fold. refused: what could not be read. repairs: sentences by label file.
        names: classes seen, in the order of first sight. delivered: patients whose films came as test.
    """

    rows: list[SampleRow] = field(default_factory=list)
    refused: list[CarpusError] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)
    delivered: set[str] = field(default_factory=set)

    def refusals(self) -> list[dict[str, str]]:
        """As they stand with a version."""
        return [{"path": e.path or "", "detail": e.detail} for e in self.refused]


def read_films(
    source: Source, found: Sequence[Found], classes: tuple[str, ...] | None, version: str, workers: int,
    progress: Progress, refused: Sequence[CarpusError] = (),
) -> Films:
    """Read every film and its labels; the caller holds the manifest's lock, since imported labels are written.

    Args:
        classes: labels that may occur; ``None`` allows any. version: name to be, which imported labels are kept under.
        refused: what had been refused before.
    """
    sweep_below(source.root / FOLDER / version)
    films = Films(refused=list(refused))
    about = source.about(films.refused)
    jobs = (joblib.delayed(_read_one)(f, source.root, classes, version) for f in found)
    results = joblib.Parallel(n_jobs=workers, return_as="generator", batch_size=1 if workers > 1 else "auto")(jobs)
    for facts, error in progress(results, len(found)):
        if error is not None:
            films.refused.append(error)
            continue
        films.rows.append(_row(facts, about))
        films.repairs += facts["repairs"]
        films.delivered |= {films.rows[-1].group} if facts["found"].delivered == "test" else set()
        films.names.update(dict.fromkeys(facts["names"]))
    films.refused.sort(key=lambda e: (e.path or "", e.detail))
    return films


def _relative(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        raise UsageError(path, f"is not inside {root}, where the manifest is written") from None


def _contained(path: Path, root: Path) -> None:
    if leaves(path, root):
        raise ManifestError(path, "is a link that leaves the data set's folder")


def _read_one(
    found: Found, root: Path, classes: tuple[str, ...] | None, version: str
) -> tuple[dict | None, CarpusError | None]:
    """Facts of one film and its labels, or the error that refuses it."""
    try:
        relative = _relative(found.image, root)
        if (shown := os.fsencode(relative).decode("utf-8", "backslashreplace")) != relative:
            raise ImageError(shown, "has a name that is not UTF-8; rename it")
        _contained(found.image, root)
        data = read_bytes(found.image)
        image = decode(data, Path(relative))
        facts: dict[str, Any] = {
            "found": found,
            "image": relative,
            "file": digest_bytes(data),
            "pixels": digest_bytes(image.gray.tobytes()),
            "size": (image.width, image.height),
            "labels": None,
            "label_file": None,
            "names": (),
            "repairs": (),
            "side": None,
            "fingers_deg": None,
            "dicom": dicom.about(data, Path(relative)) if dicom.is_dicom(data) else {},
        }
        if found.item is not None and found.item.shapes is not None:
            found = replace(found, labels=_imported(found, root, facts["size"], version))
        if found.labels is not None:
            _contained(found.labels, root)
            text = read_bytes(found.labels)
            name = _relative(found.labels, root)
            labels = read_labels(text, name, facts["size"], classes)
            facts |= {
                "labels": name,
                "label_file": digest_bytes(text),
                "names": tuple(dict.fromkeys(a.label for a in labels.annotations)),
                "repairs": tuple(f"{name}: {r}" for r in (*_notes(found), *labels.repairs)),
                "side": side_of(labels.annotations),
                "fingers_deg": fingers_deg(labels.annotations),
            }
        return facts, None
    except WriteError:  # not this film's fault: no version is made without it
        raise
    except CarpusError as error:
        path = error.path
        if path and Path(path).is_relative_to(root):  # as the manifest writes paths, on Windows too
            path = Path(path).relative_to(root).as_posix()
        return None, type(error)(path, error.detail)


def _notes(found: Found) -> tuple[str, ...]:
    return found.item.notes if found.item is not None else ()


def _imported(found: Found, root: Path, size: tuple[int, int], version: str) -> Path:
    """Write the labels of another format as a label file of our own, and give its place."""
    item = found.item
    _contained(item.source, root)
    source = (_relative(item.source, root), found.source_digest)
    path = root / FOLDER / version / f"{found.id}.json"
    write_atomically(path, label_document(item, size, source, found.format))
    return path


def _side_in_name(stem: str) -> str | None:
    """``_R`` or ``_L`` at the end of some competition names."""
    return {"_R": "right", "_L": "left"}.get(stem[-2:])


def _row(facts: dict, meta: dict[int, dict]) -> SampleRow:
    found: Found = facts["found"]
    about = dict(meta.get(patient_number(found.group), {})) if meta else {}
    told = dict(facts["dicom"])
    patient, side = told.pop("patient", None), told.pop("side", None)
    about |= told
    if facts["fingers_deg"] is not None:
        about["fingers_deg"] = round(facts["fingers_deg"], 2)
    return SampleRow(
        id=found.id,
        image=facts["image"],
        labels=facts["labels"],
        group=patient or found.group,
        fold=None,
        split="train",
        side=facts["side"] or side or _side_in_name(found.image.stem),
        width=facts["size"][0],
        height=facts["size"][1],
        digest=original_digest(facts["file"], facts["label_file"]),
        pixels=facts["pixels"],
        file=facts["file"],
        label_file=facts["label_file"],
        tags=tuple(sorted({*(found.item.tags if found.item is not None else ())})),
        meta=about,
    )


def looks_like_hands(found: Sequence[Found]) -> bool:
    """Whether most labels of the first readable files are bones of the hand: then the 29 are the list of classes."""
    hits = total = 0
    for sample in [f for f in found if f.labels is not None][:20]:
        try:
            labels = read_labels(read_bytes(sample.labels), str(sample.labels), (1 << 20, 1 << 20))
        except CarpusError:
            continue
        hits += sum(a.label in HAND_BONES for a in labels.annotations)
        total += len(labels.annotations)
    return total > 0 and 2 * hits > total
