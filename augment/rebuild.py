"""Make the files of a version again from its recipes, and say whether they are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from augment.materialise import Made, file_names, make_files
from curate.errors import UsageError
from curate.files import digest_file, sweep_temporary
from curate.manifest import Version
from curate.manifest.commit import writing
from curate.software import changed_libraries


@dataclass
class Rebuilt:
    """What a rebuild met.

    Attributes:
        present: children whose files were there, byte for byte. made: made again.
        missing, damaged: ids of those made again, whose files were not there, or there with other bytes.
        pixels_differ: ids whose pixels are not those that the manifest names.
        bytes_differ: ids with the same pixels and labels in other bytes, or whose label files differ.
        libraries: name -> (then, now), for each library of another version than when the version was made.
    """

    present: int = 0
    made: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    pixels_differ: list[str] = field(default_factory=list)
    bytes_differ: list[str] = field(default_factory=list)
    libraries: dict[str, tuple[str, str]] = field(default_factory=dict)

    def to_dict(self) -> dict:
        return dict(vars(self))


def rebuild(
    version: Version,
    out: str | os.PathLike | None = None,
    workers: int = 1,
    progress: Callable[[Iterable[Made], int], Iterable[Made]] = lambda items, total: items,
) -> Rebuilt:
    """Render every child of a version that has no intact file.

    Args:
        out: folder (inside the data set) for the files of a virtual version, or for a second copy of any.
        workers: processes; any number gives the same bytes.

    Raises:
        CarpusError: a parent that is missing or fails its digest, or a file that cannot be written.
    """
    children = [r for r in version.samples if not r.is_original]
    if out is None and any(r.image is None for r in children):
        raise UsageError(version.name, "is virtual: its children have no files of their own; name a folder with --out")
    base = None
    if out is not None:
        out = Path(out)
        if not out.absolute().is_relative_to(version.root):
            raise UsageError(out, f"is not inside {version.root}; a copy elsewhere is made by `curate export`")
        base = out.absolute().relative_to(version.root).as_posix()
    result = Rebuilt()
    result.libraries = changed_libraries(version.entry.get("made_with", {}))
    with writing(version.root):
        missing, names = [], []
        wanted = [(row.image, row.labels) if base is None else _named(base, row.id) for row in children]
        for folder in {(version.root / name[0]).parent for name in wanted}:
            sweep_temporary(folder)
        for row, name in zip(children, wanted, strict=True):
            if _intact(version.root, name, (row.file, row.label_file)):
                result.present += 1
            else:
                there = all((version.root / n).is_file() for n in name)
                (result.damaged if there else result.missing).append(row.id)
                missing.append(row)
                names.append(name)
        rows = {r.id: r for r in missing}
        for made in progress(make_files(missing, names, version, workers), len(missing)):
            row = rows[made.id]
            result.made += 1
            if row.pixels is not None and made.pixels != row.pixels:
                result.pixels_differ.append(row.id)
            elif row.file is not None and (made.file, made.label_file) != (row.file, row.label_file):
                result.bytes_differ.append(row.id)
    return result


def _named(base: str, sample: str) -> tuple[str, str]:
    return tuple(name.replace("derived/-", base, 1) for name in file_names("-", sample))


def _intact(root: Path, names: tuple[str, str], digests: tuple[str | None, str | None]) -> bool:
    return all((root / n).is_file() and digest_file(root / n) == d for n, d in zip(names, digests, strict=True))
