"""The command that shows what super-resolution drew."""

from __future__ import annotations

from pathlib import Path

from curate.options import Data, Json


def superres_page(
    version: str | None = None,
    /,
    *,
    out: Path = Path("superres.html"),
    films: int = 6,
    data: Data = None,
    json: Json = False,
) -> int:
    """A page of side-by-side crops: the film, bicubic, the result, the difference; and whether bones' edges moved.

    Args:
        version: the newest by default.
        out: the page, one self-contained HTML file.
        films: how many to show.
    """
    from augment.superres.fidelity import ENOUGH, LIMIT
    from augment.superres.page import write_page
    from curate.manifest import Manifest
    from curate.terminal import print_json, say

    edges = write_page(Manifest.find(data).version(version), out, films)
    moved = {k: v["moved"] for k, v in edges.items() if v["points"] >= ENOUGH}
    beyond = sorted(k for k, v in moved.items() if v > LIMIT)
    if json:
        print_json({"page": str(out), "edges": edges, "beyond": beyond})
    else:
        most = max(moved.values(), default=0.0)
        say(f"{out}: in every bone 95 of 100 points of its edge moved less than {most:.2f} px")
        if beyond:
            say(f"beyond {LIMIT} px: {', '.join(beyond)}")
    return int(bool(beyond))
