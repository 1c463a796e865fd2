"""Which films share features, without comparing each with each: features meet where 16 of their bits are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from curate.flags.signs import WAYS, bits_of

TABLES = 8
"""Sixteen bits each of a feature's 128."""

CROWD = 64
"""Films' features that are looked at where more than that meet: what so many share tells little."""

APART = 28
"""Bits in which two features may differ; of unrelated ones 64 do."""

PARTNERS = 5

_ONES = np.array([bin(k).count("1") for k in range(1 << 16)], np.uint8)


class Meeting:
    """The features of a row of films, by sixteen bits of each.

    Args:
        signs: (n, 16) uint8 of each film.
    """

    def __init__(self, signs: Sequence[np.ndarray]):
        self.ends = np.cumsum([0, *(len(s) for s in signs)])
        self.bits = np.concatenate([np.zeros((0, 16), np.uint8), *signs]).view(np.uint16)
        self.film = np.repeat(np.arange(len(signs)), np.diff(self.ends))
        total = max(len(self.bits), 1)
        self.sorted = [np.sort(column.astype(np.int64) * total + np.arange(len(column))) for column in self.bits.T]
        self.total = total

    def earlier(self, k: int) -> list[tuple[int, int]]:
        """Films before film ``k`` that share the most features with it, and the way in which ``k`` was changed
        for that; at most ``PARTNERS``, best first."""
        signs = self.bits[self.ends[k] : self.ends[k + 1]].view(np.uint8)
        votes = np.zeros(len(WAYS) * k)
        for way in WAYS:
            mine = bits_of(signs, way).view(np.uint16)
            for table, those in enumerate(self.sorted):
                first = mine[:, table].astype(np.int64) * self.total
                stop = np.searchsorted(those, first + self.ends[k])
                start = np.maximum(np.searchsorted(those, first), stop - CROWD)
                met, other = _ranges(start, stop)
                other = those[other] % self.total
                near = APART - _ONES[mine[met] ^ self.bits[other]].sum(1, dtype=np.int64)
                good = near > 0
                # one that many share says less of each of them
                weight = near[good] / np.bincount(met[good], minlength=len(mine))[met[good]]
                votes += np.bincount(way * k + self.film[other[good]], weight, minlength=len(votes))
        best = np.argsort(-votes, kind="stable")[:PARTNERS]
        return [(int(b % k), int(b // k)) for b in best if votes[b] > 0]


def _ranges(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each range's number for each of its members, and the members, one range after the other."""
    sizes = stop - start
    number = np.repeat(np.arange(len(sizes)), sizes)
    return number, np.arange(len(number)) + np.repeat(start - np.cumsum(sizes) + sizes, sizes)


def pairs(signs: Sequence[np.ndarray]) -> Iterator[tuple[int, int, int]]:
    """Later film, earlier film, and the way in which the later one was changed, of those that share features."""
    meeting = Meeting(signs)
    for k in range(1, len(signs)):
        if len(signs[k]):
            yield from ((k, earlier, way) for earlier, way in meeting.earlier(k))
