"""Commands of ``curate`` about versions: checking, comparing, naming, joining and clearing up after them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.options import Data, Json, Switch


def verify(
    version: str | None = None,
    /,
    *,
    fast: Switch = False,
    resume: Switch = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """Hash every byte and check every polygon, lineage and fold; exit code 1 when something is wrong.

    Args:
        version: only this one; every version by default, and files that none of them needs.
        fast: read no picture and no label file; says what that leaves unchecked.
        resume: leave out what an interrupted verification of this very manifest had found good.
    """
    from curate.manifest import Manifest
    from curate.terminal import print_json, print_table, progress, say
    from curate.verify import verify_manifest

    manifest = Manifest.find(data)
    found = verify_manifest(manifest, [version] if version else [], fast, resume, progress("verify"))
    if json:
        print_json(found.to_dict())
        return int(bool(found.problems))
    what = version or f"{len(manifest.versions())} versions"
    if found.problems:
        print_table("", ("path", "kind", "detail"), ((p.path, p.kind, p.detail) for p in found.problems))
        say(f"{what}: {len(found.problems)} problems")
    elif fast:
        say(f"{what}: tables and lineage of {found.samples} samples as the manifest names them")
    else:
        say(f"{what}: {found.samples} samples, every byte and every lineage as the manifest names them")
    for phrase in found.unchecked:
        say(f"not checked: {phrase}")
    if found.resumed:
        say(f"{found.resumed} of these were found good before the interruption and not hashed again")
    if found.orphans:
        say(f"{len(found.orphans)} files that no version needs, such as {found.orphans[0]}; `curate gc` lists them")
    return int(bool(found.problems))


def export(
    version: str,
    out: Path,
    /,
    *,
    format: str = "coco",
    lossy: Switch = False,
    ints: Switch = False,
    identified: Switch = False,
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
        identified: keep what DICOM files say of the patient; by default their pictures alone are written.
    """
    from curate.export import export as work
    from curate.manifest import Manifest
    from curate.terminal import print_json, progress, say, warn

    done = work(Manifest.find(data).version(version), out, format, lossy, ints, identified, progress("export"))
    if json:
        print_json(done.to_dict())
        return 0
    say(f"{done.samples} samples of {version} in {out}, as {format}")
    for phrase in done.told():
        warn(f"lost: {phrase}")
    if done.left_out:
        warn(f"{done.left_out} films dropped from training were left out")
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "export": export,
    "verify": verify,
}
"""What ``curate.cli`` registers."""
