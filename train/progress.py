"""Telling how far long work has come: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINES_EVERY = 10.0  # seconds between the lines of a log


class Reporter:
    """Where a command writes what it does.

    Args:
        console: standard error by default, so that standard output stays for results.
        quiet: say nothing.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False):
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False)

    def line(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Task]:
        """Work of a known length; call the task with how much is done, and a few words."""
        if self.console.is_terminal and not self.console.quiet:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            with Progress(*columns, TextColumn("{task.fields[note]}"), console=self.console, transient=True) as bar:
                yield Task(self, name, total, bar)
        else:
            yield Task(self, name, total, None)


class Task:
    """Work under way."""

    def __init__(self, reporter: Reporter, name: str, total: int, bar: Progress | None):
        self.reporter, self.name, self.total, self.bar = reporter, name, total, bar
        self.since = self.told = time.monotonic()
        self.id = bar.add_task(name, total=total, note="") if bar is not None else None
        self.first = 0  # done before: what a resumed run need not do again says nothing of its speed

    def resume(self, done: int) -> None:
        """Say that so much had been done before this began."""
        self.first = done
        if self.bar is not None:
            self.bar.reset(self.id, completed=done)

    def __call__(self, done: int, note: str = "") -> None:
        """Say that ``done`` of the total are done."""
        if self.bar is not None:
            self.bar.update(self.id, completed=done, note=note)
            return
        now = time.monotonic()
        if now - self.told >= _LINES_EVERY or done >= self.total > 0:
            self.told = now
            left = (now - self.since) / max(done - self.first, 1) * (self.total - done)
            rest = f", about {left:.0f} s left" if done < self.total else f" in {now - self.since:.0f} s"
            self.reporter.line(f"{self.name}: {done} of {self.total}{rest}{', ' + note if note else ''}")
