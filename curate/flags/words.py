"""The words that people use for what a detector finds: ``--flag ring`` is ``--flag jewellery``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from curate.errors import UsageError
from curate.flags.registry import FLAGS

EVERYDAY = {
    **dict.fromkeys(("ring", "bangle", "watch", "bracelet", "beads"), "jewellery"),
    **dict.fromkeys(("plate", "screw", "wire", "pin", "k-wires"), "implant"),
    **dict.fromkeys(("plaster", "splint"), "cast"),
    "rotated": "rotation",
}
"""A detector does not tell a ring from a bangle: the word stands for the whole flag."""


def flags_meant(words: Iterable[str], tags: Callable[[], Collection[str]]) -> tuple[str, ...]:
    """The flags and tags that some words name, each once, in the order of the words.

    Args:
        tags: those of the version; asked for only where a word is no flag. A tag comes before an everyday word.

    Raises:
        UsageError: a word that is neither.
    """
    found: list[str] = []
    known: Collection[str] | None = None
    for word in words:
        name = word
        if word not in FLAGS:
            known = tags() if known is None else known
            name = word if word in known else EVERYDAY.get(word, word)
            if name not in FLAGS and name not in known:
                raise UsageError(word, f"is no flag or tag here; there are {', '.join([*FLAGS, *sorted(known)])}")
        if name not in found:
            found.append(name)
    return tuple(found)
