"""How commands speak: tables, progress, and one clear line for what went wrong."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import orjson

from curate.errors import CarpusError

T = TypeVar("T")


def print_json(data: Any) -> None:
    """Plain data on standard output, indented, keys in their order."""
    sys.stdout.buffer.write(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    sys.stdout.flush()


def say(text: str) -> None:
    """A line of what was done, on standard output."""
    print(text, flush=True)


def counted(n: int, noun: str) -> str:
    """A number and its noun, such as "1 film" and "2 films"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def warn(text: str) -> None:
    """A line that a user should see, on standard error."""
    print(f"note: {text}", file=sys.stderr, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table on standard output; numbers to the right."""
    from rich.console import Console  # rich takes a while to import
    from rich.markup import escape
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for k, column in enumerate(columns):
        numeric = all(isinstance(row[k], int | float) for row in rows) and rows
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=False)
    console.print(table)


def progress(what: str) -> Callable[[Iterable[T], int], Iterator[T]]:
    """A wrapper that shows how far an iteration is: a bar on a terminal, a line every few seconds in a log."""

    def wrap(items: Iterable[T], total: int) -> Iterator[T]:
        if total and sys.stderr.isatty():
            yield from _bar(what, items, total)
        else:
            yield from _lines(what, items, total)

    return wrap


def _bar(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        for item in items:
            yield item
            bar.advance(task)


def _lines(what: str, items: Iterable[T], total: int) -> Iterator[T]:
    start = last = time.monotonic()
    for count, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= 5 and count < total:
            last = now
            left = (now - start) / count * (total - count)
            print(f"{what}: {count} of {total}, about {left:.0f} s to go", file=sys.stderr, flush=True)


def fail(error: CarpusError, as_json: bool) -> int:
    """Report an error on standard error, as a line or as one object, and give the exit code."""
    if as_json:
        sys.stderr.buffer.write(orjson.dumps(error.to_dict(), option=orjson.OPT_APPEND_NEWLINE))
        sys.stderr.flush()
    else:
        print(f"error: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def run(app: Any, arguments: Sequence[str] | None = None) -> int:
    """Run a command-line application and give its exit code: 0 done, 1 found something wrong, 2 bad usage or input."""
    from cyclopts import CycloptsError

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a pipe on Windows, or LANG=C, may know no Korean name and no px²
        sys.stdout.reconfigure(errors="backslashreplace")
    as_json = "--json" in arguments
    try:
        result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return fail(CarpusError(None, " ".join(str(error).split())), as_json)
    except CarpusError as error:
        return fail(error, as_json)
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 0
    except OSError as error:  # a disk that fails where nobody expected it still gets one clear line
        return fail(CarpusError(error.filename, error.strerror or str(error)), as_json)
    except KeyboardInterrupt:
        print("stopped; run the same command again to resume", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0
