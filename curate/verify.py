"""Every byte hashed, every polygon and every lineage checked: what a manifest promises, looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from curate.errors import CarpusError, LeakError, ManifestError
from curate.files import digest_bytes, inside
from curate.formats.provenance import digest_source, source_of
from curate.leaks import Twins, twins_apart
from curate.manifest import Manifest, SampleRow, Version
from curate.manifest.commit import version_digest
from curate.manifest.head import NAME, seal_fault
from curate.manifest.lineage import check_leaks
from curate.manifest.orphans import find_orphans
from curate.manifest.row import original_digest
from curate.manifest.rows import rows_of
from curate.manifest.verified import Verified
from curate.sample.image import decode, read_bytes
from curate.sample.labelfile import read_derived, read_labels

Progress = Callable[[Iterable[Any], int], Iterable[Any]]

UNCHECKED = (
    "the bytes of pictures and label files (only that each is there)",
    "the pixels that pictures decode to",
    "the polygons in label files",
)
"""What ``--fast`` leaves out."""


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the manifest says.

    Attributes:
        path: the file or sample.
        kind: ``missing``, ``changed``, ``unreadable``, ``invalid``, ``lineage``, ``table`` or ``head``.
    """

    path: str
    kind: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        return dict(vars(self))


@dataclass
class Verification:
    """What a verification met.

    Attributes:
        problems: in the order of the versions. orphans: files that no version needs; not a problem.
        samples: rows looked at. resumed: of these, found good by the interrupted run before.
        twins: films that look like one exposure on two sides of a fold's line; a suspicion, not a problem.
        unchecked: what was left out, one phrase each; empty unless it was a fast look.
    """

    problems: list[Problem] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    twins: list[Twins] = field(default_factory=list)
    samples: int = 0
    resumed: int = 0
    unchecked: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The object that ``curate verify --json`` prints."""
        return {"ok": not self.problems} | vars(self) | {
            "problems": [p.to_dict() for p in self.problems],
            "twins": [t.to_dict() for t in self.twins],
        }


class FileCheck:
    """Looks at the files of samples; each foreign label file is hashed once however many samples come from it."""

    def __init__(self, root: Path, classes: Sequence[str], fast: bool = False):
        self.root, self.classes, self.fast = root, classes, fast
        self._sources: dict[tuple[str, str], list[Problem]] = {}

    def _bytes(self, relative: str, digest: str | None, problems: list[Problem]) -> bytes | None:
        """A file's bytes, when they are the ones that were named; ``None`` after a problem or a fast look."""
        try:
            path = inside(self.root, relative)
            if not os.path.lexists(path):
                problems.append(Problem(relative, "missing", "the file is not there"))
                return None
            if self.fast:
                return None
            data = read_bytes(path)
        except CarpusError as error:
            problems.append(Problem(relative, "unreadable", error.detail))
            return None
        if digest is None or digest_bytes(data) != digest:
            problems.append(Problem(relative, "changed", "its bytes are not those that the manifest names"))
            return None
        return data

    def _source(self, data: bytes) -> list[Problem]:
        """Whether the file that imported labels were read from is still what it was; told once."""
        source = source_of(data)
        if source is None or source in self._sources:
            return []
        problems = self._sources[source] = []
        name, digest = source
        try:
            if digest_source(inside(self.root, name)) != digest:
                problems.append(Problem(name, "changed", "labels were imported from it and it has changed since"))
        except (CarpusError, OSError) as error:
            what = error.detail if isinstance(error, CarpusError) else error.strerror or str(error)
            problems.append(Problem(name, "missing", f"labels were imported from it: {what}"))
        return problems

    def sample(self, row: SampleRow, known: Mapping[str, SampleRow]) -> list[Problem]:
        """Hash and read one sample's files, and check its identity against them or against its recipe and parents.

        Args:
            known: the rows that its recipe may name.
        """
        problems: list[Problem] = []
        try:
            if row.image is not None:
                data = self._bytes(row.image, row.file, problems)
                if data is not None and digest_bytes(decode(data, Path(row.image)).gray.tobytes()) != row.pixels:
                    problems.append(Problem(row.image, "changed", "its pixels are not those that the manifest names"))
            if row.labels is not None:
                data = self._bytes(row.labels, row.label_file, problems)
                if data is not None and row.is_original:
                    read_labels(data, row.labels, (row.width, row.height), self.classes)
                    problems += self._source(data)
                elif data is not None:
                    read_derived(data, row.labels)
            if row.is_original:
                identity = original_digest(row.file or "", row.label_file)
            else:
                recipe = row.plan()
                identity = recipe.digest({p: known[p].digest for p in recipe.parents})
            if identity != row.digest:
                problems.append(Problem(row.id, "lineage", "its digest does not follow from its files or its recipe"))
        except CarpusError as error:
            problems.append(Problem(error.path or row.id, "invalid", error.detail))
        except KeyError as error:
            problems.append(Problem(row.id, "lineage", f"its parent {error} is not in the manifest"))
        return problems


def check_head(manifest: Manifest, versions: Sequence[Version]) -> list[Problem]:
    """The seal of the head, and for each version its table, its split, its digest and its count of samples."""
    problems = []
    fault = seal_fault(manifest.path)
    if fault is not None:
        problems.append(Problem(NAME, "head", fault))
    for version in versions:
        try:
            table = version.own_table(["op", "id", "digest", "group", "tags"])
            _ = version.fold_of
            if table.num_rows != version.entry["table"]["rows"]:
                problems.append(Problem(NAME, "head", f"{version.name}: its table has {table.num_rows} rows"))
            if version.recount() != len(version):
                problems.append(Problem(NAME, "head", f"{version.name}: holds {version.recount()} samples"))
        except ManifestError as error:
            problems.append(Problem(_relative(error.path, manifest.root), "table", error.detail))
            continue
        parent = None if version.parent is None else manifest.version(version.parent).digest
        if version_digest(parent, version.step, manifest.classes, version.split_digest, table) != version.digest:
            problems.append(Problem(NAME, "head", f"{version.name}: its digest does not follow from what it holds"))
    return problems


def verify_manifest(
    manifest: Manifest,
    names: Sequence[str] = (),
    fast: bool = False,
    resume: bool = False,
    progress: Progress = lambda rows, total: rows,
) -> Verification:
    """Check versions as the manifest on disk has them now, every file once.

    Args:
        names: versions; all of them when none is given, and then files that no version needs are looked for too.
        fast: look at tables, lineage, folds and whether files are there, but read no file.
        resume: leave out samples that an interrupted verification of this very manifest had found good.
    """
    manifest = Manifest.open(manifest.path)  # an older look would take newer versions' files for orphans
    result = Verification(unchecked=UNCHECKED if fast else ())
    wanted = [manifest.version(n) for n in names] or list(manifest.versions())
    chains = {v.name: v for w in wanted for v in reversed(w.chain())}
    result.problems += check_head(manifest, [v for v in manifest.versions() if v.name in chains])
    damaged = bool(result.problems)
    try:
        work = list(_rows([manifest.version(v.name, verify=not damaged) for v in wanted], whole=bool(names)))
    except ManifestError as error:
        result.problems.append(Problem(_relative(error.path, manifest.root), "table", error.detail))
        return result
    check = FileCheck(manifest.root, manifest.classes, fast)
    result.samples = sum(len(rows) for _, rows, _ in work)
    with Verified(manifest, resume) as journal:
        for row, known in progress(((r, known) for _, rows, known in work for r in rows), result.samples):
            if journal.holds(row):
                result.resumed += 1
                continue
            found = check.sample(row, known)
            result.problems += found
            if not found and not fast:
                journal.note(row)
    for version, _, _ in work:
        try:
            check_leaks(version)
        except LeakError as error:
            result.problems.append(Problem(error.path, "lineage", error.detail))
    with contextlib.suppress(ManifestError):  # flags that cannot be read are told where they are used
        result.twins = twins_apart(work[-1][0])
    if not names and not damaged:  # a damaged table cannot say what is needed
        result.orphans = find_orphans(manifest)
    return result


def _rows(versions: Sequence[Version], whole: bool) -> Iterator[tuple[Version, Sequence[SampleRow], Mapping]]:
    """(version, rows to look at, rows that recipes may name): all of a version's, or only those that it brought."""
    for version in versions:
        rows = version.samples if whole else rows_of(version.own_table(), version.fold_of)
        yield version, rows, version.known


def _relative(path: str | None, root: Path) -> str:
    return Path(path).relative_to(root).as_posix() if path and Path(path).is_relative_to(root) else path or ""
