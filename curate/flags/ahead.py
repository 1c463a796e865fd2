"""The next film is decoded by a second thread while one is judged: decoders leave Python's lock alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cv2

from curate.flags.film import Film

SMALL = 100_000
"""Bytes; a smaller file is decoded sooner than two threads hand it over. The film before tells: those of a set are much
alike, and to ask for the size of each costs a hundredth of what such a film does."""


class Ahead:
    """Gets a film's pixels ready before they are asked for.

    Args:
        films: in the order in which they will be asked for.
        wanted: film -> whether its pixels will be asked for; called in the other thread.
    """

    def __init__(self, films: Sequence[Film], wanted: Callable[[Film], bool]):
        self._films, self._wanted = films, wanted
        self._at, self._next = 0, None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decode")

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def ready(self) -> None:
        """Wait for the next film in the order, and set the thread on the one after it."""
        if self._next is not None:
            self._next.result()
        latest, self._at = self._films[max(0, self._at - 1)], self._at + 1
        worth = self._at < len(self._films) and latest.n_bytes >= SMALL
        self._next = self._thread.submit(self._decode, self._films[self._at]) if worth else None

    def _decode(self, film: Film) -> None:
        if self._wanted(film):
            _ = film.fault


@contextmanager
def one_core(really: bool) -> Iterator[None]:
    """OpenCV works in the calling thread: on small pictures its others cost more than they give."""
    before = cv2.getNumThreads()
    try:
        if really:
            cv2.setNumThreads(1)
        yield
    finally:
        cv2.setNumThreads(before)
