"""Commands of ``curate`` that show: the page of flags to decide on, and what a set holds and how two sets differ."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from curate.options import Data, Json, Names


def review(
    version: str | None = None,
    /,
    *,
    flag: Names = (),
    port: int | None = None,
    reviewer: str | None = None,
    html: Path | None = None,
    data: Data = None,
) -> int:
    """A local page to look at the flags and accept or reject each; decisions are kept beside the manifest.

    Args:
        version: by default the newest.
        flag: only these flags.
        port: of 127.0.0.1; by default 8317, or a free one where that is taken.
        reviewer: who decides; by default the user's name.
        html: write a page to send round instead, with the pictures in it; it decides nothing.
    """
    from curate.decisions import user
    from curate.manifest import Manifest
    from curate.review.export import write_export
    from curate.review.server import Review, serve
    from curate.terminal import progress, say

    manifest = Manifest.find(data).version(version)
    if html is not None:
        say(write_export(manifest, html, flag, progress("films")))
        return 0
    looked = Review(manifest, flag, reviewer or user())
    with serve(looked, port) as server:
        say(f"{looked.line()}; you are {looked.reviewer}")
        say(f"open {server.url}")
        say("Ctrl-C ends it; a decision is on disk once its film no longer says that it is being saved")
        # a shell starts what runs in the background deaf to Ctrl-C's signal: both must end the page, whoever sends them
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
    say(looked.line())
    return 0


def stats(
    version: str | None = None,
    /,
    *,
    against: str | None = None,
    html: Path | None = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """What a version holds: areas, overlaps, missing bones, patients, orientation, exposure; or how two sets differ.

    Args:
        version: by default the newest.
        against: "test" (the training films against the test films), another version, a manifest (PATH or PATH:V), or a
            folder of pictures without labels.
        html: write one page of plots.
    """
    from curate.files import write_atomically
    from curate.manifest import Manifest
    from curate.stats.compare import compare
    from curate.stats.page import page
    from curate.stats.sets import both, everything, of_version
    from curate.stats.summary import summarise
    from curate.stats.tables import difference_table, headline, notes, tables
    from curate.terminal import print_json, print_table, progress, say, warn

    chosen = Manifest.find(data).version(version)
    if against is None:
        films = (of_version(chosen, *everything(chosen), progress("films")),)
        told = summarise(*films)
    else:
        films = both(chosen, against, progress("films"))
        told = compare(*films)
    sets = [told] if against is None else [told["a"], told["b"]]
    if html is not None:
        write_atomically(html, page(told, films).encode())
    if json:
        print_json(told)
    else:
        for one in sets:
            say(headline(one))
        shown = tables(told) if against is None else [difference_table(told)]
        for title, columns, rows in shown:
            say("")
            print_table(title, columns, rows)
        for note in [] if against is None else notes(told):
            say(note)
        if html is not None:
            say(f"plots in {html}")
    faults = [fault for one in sets for fault in one["faults"]]
    for fault in faults:
        warn(fault)
    return 2 if faults else 0


COMMANDS: dict[str, Callable[..., int]] = {"review": review, "stats": stats}
