"""The local page: one process on 127.0.0.1, a secret in every address, and no path taken from a request.

What keeps strangers out: the socket listens on this machine alone; the Host header must be ours, so that a name that
was rebound to 127.0.0.1 is refused; every address begins with a secret of this run, which no other page can know; a
decision must also come from our own origin; and films are asked for by their number in the list, never by a path.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import orjson

from curate.decisions import OUTCOMES, REJECTED, UNDECIDED, load_decisions
from curate.errors import CarpusError, UsageError
from curate.manifest import Version
from curate.page import style
from curate.review.items import Item, decide, refreshed, review_items
from curate.review.pictures import Pictures

PORT = 8317
MOST_BODY = 1 << 16
_FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
    **{name: (name, "text/javascript; charset=utf-8") for name in ("review.js", "grid.js", "film.js", "tools.js")},
}
_FILM = re.compile("(thumb|film|outlines|sketch)/([0-9]{1,7})")
_POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Review:
    """One review: the items, their films, and who decides.

    Args:
        version: whose flags. names: only these flags. reviewer: put to every decision.

    Raises:
        UsageError: nothing to review, or a flag that does not exist.
    """

    def __init__(self, version: Version, names: Sequence[str] = (), reviewer: str = "reviewer"):
        self.version, self.reviewer = version, reviewer
        self.items: list[Item] = review_items(version, names)
        shown = [i for item in self.items for i in (item.row.id, item.partner) if i is not None]
        self.films = list(dict.fromkeys(shown))
        self.pictures = Pictures(version)
        self._number = {sample: k for k, sample in enumerate(self.films)}
        self._lock = threading.Lock()

    def counts(self) -> dict[str, int]:
        """Items by outcome."""
        outcomes = [item.raised.outcome for item in self.items]
        return {outcome: outcomes.count(outcome) for outcome in OUTCOMES}

    def line(self) -> str:
        """How far the review is, in words."""
        counts = self.counts()
        done = len(self.items) - counts[UNDECIDED]
        return f"{done} of {len(self.items)} flags decided, {counts[REJECTED]} of them rejected"

    def state(self) -> dict[str, Any]:
        """Everything that the page needs at its start; decisions of others since then are read again."""
        with self._lock:
            self.items = refreshed(self.items, load_decisions(self.version.root))
            items = [self._plain(item) for item in self.items]
        films = []
        for sample in self.films:
            row = self.version.by_id[sample]
            fold = "test" if row.fold is None else f"fold {row.fold}"
            films.append({"id": sample, "image": row.image, "w": row.width, "h": row.height, "group": row.group,
                          "fold": fold, "side": row.side, "labelled": row.labelled})  # fmt: skip
        about = {"version": self.version.name, "digest": self.version.digest, "reviewer": self.reviewer}
        name = self.version.manifest.head.get("name", "")
        return {**about, "name": name, "classes": list(self.version.classes), "films": films, "items": items}

    def _plain(self, item: Item) -> dict[str, Any]:
        partner = None if item.partner is None else self._number[item.partner]
        return {"film": self._number[item.row.id], "partner": partner, **item.to_dict()}

    def decide(self, number: int, outcome: str) -> dict[str, Any]:
        """Write down what the reviewer says of an item, and give it as it stands then."""
        with self._lock:
            self.items[number] = decide(self.version, self.items[number], outcome, self.reviewer)
            return self._plain(self.items[number])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, review: Review, port: int):
        self.review, self.secret = review, secrets.token_urlsafe(24)
        super().__init__(("127.0.0.1", port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        self.url = f"http://127.0.0.1:{self.server_port}/{self.secret}/"

    def handle_error(self, request: socket.socket, client_address: Any) -> None:
        """A browser that goes away in the middle of a picture is not worth a word."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "carpus", ""
    timeout = 60
    disable_nagle_algorithm, wbufsize = True, 1 << 16  # an answer leaves at once and in one piece
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are nobody's news."""

    def _answer(self, status: int, data: bytes, kind: str = "text/plain; charset=utf-8", keep: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "private, max-age=86400, immutable" if keep else "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _json(self, status: int, value: Any) -> None:
        self._answer(status, orjson.dumps(value), "application/json")

    def _refuse(self, status: int, text: str) -> None:
        self.close_connection = True
        self._answer(status, text.encode())

    def _place(self) -> str | None:
        """The part of the address after the secret; ``None`` where an answer has been given: a stranger's request."""
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            self._refuse(421, "not the host of this page")
            return None
        secret, slash, rest = urlsplit(self.path).path[1:].partition("/")
        if not hmac.compare_digest(secret.encode(), self.server.secret.encode()):
            self._refuse(404, "open the address that curate review printed")
            return None
        if not slash:
            self._refuse(404, "the address ends with a slash")
            return None
        return rest

    def do_GET(self) -> None:
        place = self._place()
        if place is None:
            return
        if place in _FILES:
            name, kind = _FILES[place]
            self._answer(200, resources.files("curate.review").joinpath(name).read_bytes(), kind)
        elif place == "page.css":
            self._answer(200, style().encode(), "text/css; charset=utf-8")
        else:
            self._guarded(self._data, place)

    def _data(self, place: str) -> None:
        review, film = self.server.review, _FILM.fullmatch(place)
        if place == "state":
            self._json(200, review.state())
        elif film is None or int(film[2]) >= len(review.films):
            self._refuse(404, "nothing here")
        else:
            self._film(review.pictures, film[1], review.films[int(film[2])])

    def _film(self, pictures: Pictures, what: str, sample: str) -> None:
        if what == "thumb":
            self._answer(200, pictures.thumb(sample), "image/jpeg", keep=True)
        elif what == "film":
            self._answer(200, pictures.full(sample), "image/png", keep=True)
        else:
            self._json(200, pictures.outlines(sample, coarse=what == "sketch"))

    def do_POST(self) -> None:
        place = self._place()
        if place is None:
            return
        origin = self.headers.get("Origin")
        if origin is None or origin.removeprefix("http://") not in self.server.hosts:
            self._refuse(403, "not from this page")
        elif place != "decide":
            self._refuse(404, "nothing here")
        elif self.headers.get("Content-Type") != "application/json":
            self._refuse(415, "a decision is JSON")
        else:
            self._guarded(self._decide, place)

    def _decide(self, _: str) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > MOST_BODY:
            self._refuse(413, "not of a decision's size")
            return
        try:
            asked = orjson.loads(self.rfile.read(int(length)))
            number, outcome = asked["item"], asked["outcome"]
        except (ValueError, TypeError, KeyError):
            self._refuse(400, "not a decision")
            return
        known = isinstance(number, int) and not isinstance(number, bool)
        if not known or not 0 <= number < len(self.server.review.items) or outcome not in OUTCOMES:
            self._refuse(400, "not a decision on this list")
            return
        self._json(200, self.server.review.decide(number, outcome))

    def _guarded(self, work: Any, place: str) -> None:
        """Do what was asked; a film or a disk at fault is told in one line."""
        try:
            work(place)
        except CarpusError as error:
            self._json(500, error.to_dict())


def serve(review: Review, port: int | None = None) -> _Server:
    """A server for a review, listening but not yet answering: call ``serve_forever`` on it; ``url`` is its address.

    Args:
        port: by default ``PORT``, or any free one where that is taken.

    Raises:
        UsageError: the port that was asked for cannot be had.
    """
    if port is not None and not 0 <= port <= 65535:
        raise UsageError("--port", f"{port} is no port")
    try:
        return _Server(review, PORT if port is None else port)
    except OSError as error:
        if port is not None:
            raise UsageError("--port", f"{port} cannot be had: {error.strerror or error}") from None
        return _Server(review, 0)
