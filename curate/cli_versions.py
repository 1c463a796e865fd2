"""Commands of ``curate`` that look at versions: history, lineage, names, differences, and whether all is as named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.options import Data, Json, Switch


def log(
    sample: str | None = None,
    version: str | None = None,
    /,
    *,
    annotation: str | None = None,
    tag: Switch = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """One sample's lineage, down to its annotations and their vertices; without a sample, the versions' history.

    Args:
        sample: its id.
        version: in which the sample is looked up; the newest by default.
        annotation: follow this annotation (its id, or its class) only.
        tag: only versions that have a tag.
    """
    from curate.log import history, sample_log, tree_lines
    from curate.manifest import Manifest
    from curate.terminal import print_json, say

    manifest = Manifest.find(data)
    if sample is not None:
        node = sample_log(manifest.version(version), sample, annotation)
        if json:
            print_json(node)
        else:
            say("\n".join(tree_lines(node)))
        return 0
    lines = history(manifest, tag)
    if json:
        print_json({"versions": lines})
        return 0
    for line in lines:
        tags = f"  [{', '.join(line['tags'])}]" if line["tags"] else ""
        say(f"{line['version']}{tags}  {line['about']}, from {line['parent'] or 'files'}: {line['n']} samples")
        for text in (line["note"] or "").splitlines():
            say(f"    {text}")
    return 0


def tag(
    name: str, version: str | None = None, /, *, remove: Switch = False, data: Data = None, json: Json = False
) -> int:
    """Give a version another name, by which every command finds it.

    Args:
        name: the tag, such as baseline.
        version: by default the newest.
        remove: take the tag away.
    """
    from curate.manifest import Manifest
    from curate.notes import tag as work
    from curate.terminal import print_json, say

    manifest = work(Manifest.find(data), name, version, remove)
    if json:
        print_json({"tags": manifest.head.get("tags", {})})
        return 0
    say(f"{name} is no tag any more" if remove else f"{name} is {manifest.head['tags'][name]}")
    return 0


def note(version: str, text: str, /, *, data: Data = None, json: Json = False) -> int:
    """Say why a version exists; an empty text takes the note away.

    Args:
        version: its name or tag.
        text: the reason, in your words.
    """
    from curate.manifest import Manifest
    from curate.notes import note as work
    from curate.terminal import print_json

    manifest = work(Manifest.find(data), version, text)
    if json:
        print_json({"notes": manifest.head.get("notes", {})})
    return 0


def diff(
    a: str,
    b: str | None = None,
    /,
    *,
    html: Path | None = None,
    check: Switch = False,
    data: Data = None,
    json: Json = False,
) -> int:
    """What changed from one version to another: samples, polygons, folds, tags and steps.

    Args:
        a: the one before.
        b: the one after; the newest by default.
        html: write a page with pictures of the most changed, before and after.
        check: exit code 1 when anything differs.
    """
    from curate.diff import diff_versions
    from curate.files import write_atomically
    from curate.manifest import Manifest
    from curate.terminal import print_json, print_table, progress, say

    manifest = Manifest.find(data)
    one, two = manifest.version(a), manifest.version(b)
    found = diff_versions(one, two, progress("diff"))
    if html is not None:
        from curate.diff.page import diff_page

        write_atomically(html, diff_page(found, one, two).encode())
    if json:
        print_json(found.to_dict())
        return int(check and not found.same)
    print_table(f"{one.name} to {two.name}", ("what", "count"), [c for c in found.counts() if c[1]])
    if found.changed:
        columns = ("sample", "class", "what", "IoU", "Hausdorff (px)")
        rows = [(c.id, c.label if c.was is None else f"{c.was} -> {c.label}", c.kind, f"{c.iou:.4f}",
                 "" if c.hausdorff is None else f"{c.hausdorff:.2f}") for c in found.changed[:40]]  # fmt: skip
        print_table("the most changed annotations", columns, rows)
    if found.same:
        say("nothing differs")
    if html is not None:
        say(f"page: {html}")
    return int(check and not found.same)


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
    from curate.terminal import counted, print_json, print_table, progress, say
    from curate.verify import verify_manifest

    manifest = Manifest.find(data)
    found = verify_manifest(manifest, [version] if version else [], fast, resume, progress("verify"))
    if json:
        print_json(found.to_dict())
        return int(bool(found.problems))
    what = version or f"{counted(len(manifest.versions()), 'version')}"
    if found.problems:
        print_table("", ("path", "kind", "detail"), ((p.path, p.kind, p.detail) for p in found.problems))
        say(f"{what}: {counted(len(found.problems), 'problem')}")
    elif fast:
        say(f"{what}: tables and lineage of {counted(found.samples, 'sample')} as the manifest names them")
    else:
        say(f"{what}: {counted(found.samples, 'sample')}, every byte and every lineage as the manifest names them")
    for phrase in found.unchecked:
        say(f"not checked: {phrase}")
    if found.resumed:
        say(f"{found.resumed} of these were found good before the interruption and not hashed again")
    for pair in found.twins:
        say(f"suspect: {pair.a} (fold {pair.folds[0]}) and {pair.b} (fold {pair.folds[1]}): {pair.why}")
    if found.orphans:
        files = counted(len(found.orphans), "file")
        say(f"{files} that no version needs, such as {found.orphans[0]}; `curate gc` lists them")
    return int(bool(found.problems))


COMMANDS: dict[str, Callable[..., int]] = {
    "log": log,
    "tag": tag,
    "note": note,
    "diff": diff,
    "verify": verify,
}
"""What ``curate.cli`` registers."""
