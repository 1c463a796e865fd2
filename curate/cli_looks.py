"""Commands of ``curate`` that show: the page of flags to decide on, and what a set holds and how two sets differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from curate.options import Data, Names


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
    from curate.manifest import Manifest
    from curate.review.decisions import user
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
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("")
    say(looked.line())
    return 0


COMMANDS: dict[str, Callable[..., int]] = {"review": review}
