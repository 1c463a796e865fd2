"""Commands of ``curate`` that make versions out of others, or write them elsewhere, or clear up after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.options import Data, Json, Names, Source, Switch


def add(
    *,
    images: Path | None = None,
    labels: Path | None = None,
    meta: Path | None = None,
    format: str | None = None,
    tag_categories: Names = (),
    group_by: str | None = None,
    source: Source = None,
    name: str | None = None,
    seed: int = 0,
    workers: int = 1,
    data: Data = None,
    json: Json = False,
) -> int:
    """A version with the films that came since: no patient moves to another fold, new ones are dealt to the folds.

    Args:
        images: folder of pictures, when it is another.
        labels: folder of label files, when it is another.
        meta: spreadsheet of the patients.
        format: as for init.
        tag_categories: as for init.
        group_by: as for init.
        source: version to add to; the newest by default.
        name: of the new version; the next vN by default.
        seed: of the order in which new patients are dealt.
        workers: processes.
    """
    import sys

    from curate.films import Source as Films
    from curate.ingest import add as work
    from curate.ingest import few_lines
    from curate.leaks import twin_lines
    from curate.manifest import Manifest
    from curate.terminal import counted, print_json, progress, say, warn

    manifest = Manifest.find(data)
    films = Films(manifest.root, images, labels, meta, format, tuple(tag_categories), group_by)
    done = work(manifest, films, source, name, seed, workers, progress("films"))
    version = done.version
    if json:
        refused = [error.to_dict() for error in done.refused]
        facts = {"version": version.name, "digest": version.digest, "n": len(version)}
        print_json({**facts, "refused": refused, "twins": [two.to_dict() for two in done.twins]})
    else:
        films_added = counted(version.step["films"], "film")
        say(f"{version.name}: {films_added} added to {version.parent}; split {version.split}")
        for text in (*twin_lines(done.twins), *few_lines(done.repairs)):
            warn(text)
        for error in done.refused:
            print(f"refused: {error}", file=sys.stderr)
    return 2 if done.refused else 0


def edit(
    sample: str,
    annotation: str,
    /,
    *,
    label: str | None = None,
    points: Path | None = None,
    remove: Switch = False,
    source: Source = None,
    name: str | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """A version in which one annotation is relabelled, redrawn or gone; the old label file stays as it is.

    Args:
        sample: an original's id.
        annotation: its id (`curate log SAMPLE` lists them), or its class where the film has one of that class.
        label: another class.
        points: a JSON file with the new outline, [[x, y], ...] in pixels.
        remove: take it out.
        source: version to start from; the newest by default.
        name: of the new version; the next vN by default.
    """
    from curate.edit import edit as work
    from curate.manifest import Manifest
    from curate.sample.image import read_bytes
    from curate.sample.labelfile import load_json
    from curate.terminal import counted, print_json, say

    ring = None if points is None else load_json(read_bytes(points), points)
    manifest = Manifest.find(data)
    step = work(manifest, sample, annotation, label=label, points=ring, remove=remove, source=source, name=name)
    version = step.version
    if json:
        print_json({"version": version.name, "digest": version.digest, "existed": step.existed, **version.step})
    elif step.existed:
        say(f"{version.name} is already this step; nothing to do")
    else:
        say(f"{version.name}: {version.parent} with {annotation} of {sample} changed")
        if version.step["children"]:
            gone = counted(version.step["children"], "sample")
            say(f"without {gone} made from it; to have the like again, ask for their step on {version.name}")
    return 0


def merge(
    theirs: str,
    /,
    *,
    into: str | None = None,
    name: str | None = None,
    prefer: str | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Join what two people made: another copy's versions are taken over, then both sides' changes become one version.

    Args:
        theirs: another copy's manifest or folder, or a version of this manifest.
        into: version to join into; the newest by default.
        name: of the joined version; the next vN by default.
        prefer: ours or theirs, where both changed one sample; without it clashes are refused and named.
    """
    from curate.errors import UsageError
    from curate.manifest import Manifest
    from curate.merge import merge as work
    from curate.terminal import print_json, say

    if prefer not in (None, "ours", "theirs"):
        raise UsageError("--prefer", f"{prefer!r} is neither ours nor theirs")
    manifest = Manifest.find(data)
    ours = manifest.version(into).name
    joined = work(manifest, Manifest.find(theirs) if Path(theirs).exists() else theirs, ours, name, prefer)
    version = joined.version
    if json:
        facts = {"version": version.name, "digest": version.digest, "n": len(version), "existed": joined.existed}
        print_json({**facts, "taken": dict(joined.taken)})
        return 0
    for their_name, our_name in joined.taken.items():
        say(f"took over {their_name}" + (f" as {our_name}" if our_name != their_name else ""))
    if joined.existed:
        say(f"{version.name} holds both already")
    else:
        both = f"{joined.ours} changes of {ours} and {joined.theirs} of {version.step['other']}"
        say(f"{version.name}: {len(version)} samples, with {both}")
    return 0


def gc(*, remove: Switch = False, pending: Switch = False, data: Data = None, json: Json = False) -> int:
    """List the files that no version needs, in the folders that carpus owns; remove them only with --remove.

    Args:
        remove: delete them.
        pending: also what interrupted commands had finished and would resume from.
    """
    from curate.gc import collect
    from curate.manifest import Manifest
    from curate.terminal import print_json, print_table, say

    found = collect(Manifest.find(data), remove, pending)
    if json:
        print_json(found.to_dict())
        return 0
    if found.files:
        print_table("", ("path", "bytes"), found.files)
    say(f"{len(found.files)} files of {found.size / 1e6:.1f} MB {'removed' if remove else 'that no version needs'}")
    if found.pending and not pending:
        say(f"kept for an interrupted command: what it made of {', '.join(found.pending)} (--pending takes that too)")
    return 0


def export(
    version: str,
    out: Path,
    /,
    *,
    format: str = "coco",
    lossy: Switch = False,
    ints: Switch = False,
    identified: Switch = False,
    dicom: Switch = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Write a version in another tool's format: pictures and labels, nothing lost that is not said first.

    Args:
        version: which one.
        out: a new folder.
        format: competition, coco, labelme, cvat, datumaro, yolo, masks, multimasks, nnunet or geojson.
        lossy: write also where the format cannot hold all; what is lost is counted either way.
        ints: whole-numbered vertices.
        identified: copy DICOM files as they are; by default what says who the patient is does not leave.
        dicom: DICOM films stay DICOM, without their patient, rather than becoming grey PNG of 8 bits.
    """
    from curate.export import export as work
    from curate.manifest import Manifest
    from curate.terminal import counted, print_json, progress, say, warn

    done = work(Manifest.find(data).version(version), out, format, lossy, ints, identified, dicom, progress("export"))
    if json:
        print_json(done.to_dict())
        return 0
    say(f"{counted(done.samples, 'sample')} of {version} in {out}, as {format}")
    for phrase in done.told():
        warn(f"lost: {phrase}")
    if done.burnt_in:
        warn(f"{len(done.burnt_in)} DICOM films say that text is burnt into their pixels, where it stays: "
             f"{', '.join(done.burnt_in[:5])}")  # fmt: skip
    if done.left_out:
        were = "was" if done.left_out == 1 else "were"
        warn(f"{counted(done.left_out, 'film')} dropped from training {were} left out")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "add": add,
    "edit": edit,
    "merge": merge,
    "gc": gc,
    "export": export,
}
"""What ``curate.cli`` registers."""
