"""Every byte hashed, every polygon and every lineage checked: what a version promises, looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from curate.errors import CarpusError, LeakError, ManifestError
from curate.files import digest_bytes, inside
from curate.manifest import SampleRow, Version
from curate.manifest.lineage import check_leaks
from curate.manifest.row import original_digest
from curate.sample.image import decode, read_bytes
from curate.sample.labelfile import read_derived, read_labels


@dataclass(frozen=True)
class Problem:
    """One thing that is not as the manifest says.

    Attributes:
        path: the file or sample. kind: ``missing``, ``changed``, ``unreadable``, ``invalid``, ``lineage`` or ``table``.
    """

    path: str
    kind: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        return dict(vars(self))


def _bytes(root: Path, relative: str, digest: str | None, problems: list[Problem]) -> bytes | None:
    try:
        path = inside(root, relative)
        if not path.exists():
            problems.append(Problem(relative, "missing", "the file is not there"))
            return None
        data = read_bytes(path)
    except CarpusError as error:
        problems.append(Problem(relative, "unreadable", error.detail))
        return None
    if digest is None or digest_bytes(data) != digest:
        problems.append(Problem(relative, "changed", "its bytes are not those that the manifest names"))
        return None
    return data


def check_sample(row: SampleRow, version: Version) -> list[Problem]:
    """Hash and read one sample's files, and check its identity against them or against its recipe and parents."""
    problems: list[Problem] = []
    root = version.root
    try:
        if row.image is not None:
            data = _bytes(root, row.image, row.file, problems)
            if data is not None and digest_bytes(decode(data, Path(row.image)).gray.tobytes()) != row.pixels:
                problems.append(Problem(row.image, "changed", "its pixels are not those that the manifest names"))
        if row.labels is not None:
            data = _bytes(root, row.labels, row.label_file, problems)
            if data is not None and row.is_original:
                read_labels(data, row.labels, (row.width, row.height), version.classes)
            elif data is not None:
                read_derived(data, row.labels)
        if row.is_original:
            identity = original_digest(row.file or "", row.label_file)
        else:
            recipe = row.plan()
            identity = recipe.digest({p: version.known[p].digest for p in recipe.parents if p in version.known})
        if identity != row.digest:
            problems.append(Problem(row.id, "lineage", "its digest does not follow from its files or its recipe"))
    except CarpusError as error:
        problems.append(Problem(error.path or row.id, "invalid", error.detail))
    except KeyError as error:
        problems.append(Problem(row.id, "lineage", f"its parent {error} is not in the manifest"))
    return problems


def verify(
    version: Version, progress: Callable[[Iterable[SampleRow], int], Iterable[SampleRow]] = lambda rows, total: rows
) -> list[Problem]:
    """All problems of one version: its tables, its files, its polygons, its lineage and its folds.

    Args:
        progress: wraps the iteration over samples, to show it.
    """
    problems: list[Problem] = []
    checked = version
    try:
        for step in version.chain():
            step.own_table(["op"])
        _ = version.fold_of
    except ManifestError as error:
        problems.append(Problem(_relative(error.path, version.root), "table", error.detail))
        checked = version.manifest.version(version.name, verify=False)
    try:
        rows = checked.samples
    except ManifestError as error:
        return [*problems, Problem(_relative(error.path, version.root), "table", error.detail)]
    for row in progress(rows, len(rows)):
        problems += check_sample(row, checked)
    try:
        check_leaks(checked)
    except LeakError as error:
        problems.append(Problem(error.path, "lineage", error.detail))
    return problems


def _relative(path: str | None, root: Path) -> str:
    return Path(path).relative_to(root).as_posix() if path and Path(path).is_relative_to(root) else path or ""
