"""The review page's server, asked without a browser: what it gives, and whom it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from curate.decisions import DECISIONS, load_decisions
from curate.errors import UsageError
from curate.ingest import ingest
from curate.review.pictures import THUMB, Pictures
from curate.review.server import Review, serve
from tests.flagging import put_flags
from tests.phantoms import tiny_set


class Client:
    """Requests to a server, with headers as a browser sends them unless others are given."""

    def __init__(self, server):
        self.review = server.review
        self.server, self.place = server, server.url.split("/", 3)[3]
        self.origin = server.url.rsplit("/", 2)[0]

    def ask(self, place="", method="GET", body=None, **headers):
        link = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        address = place if place.startswith("/") else f"/{self.place}{place}"
        link.request(method, address, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = link.getresponse()
        data = answer.read()
        link.close()
        return answer, data

    def decide(self, item, outcome, **headers):
        body = json.dumps({"item": item, "outcome": outcome})
        usual = {"Origin": self.origin, "Content_Type": "application/json"}
        return self.ask("decide", "POST", body, **(usual | headers))


def reviewed(version):
    films = [row.id for row in version.samples]
    put_flags(version, {"rotation": films[2:4], "label-swapped": films[:1]}, why="<b>Bold</b> & \"so\" it 'is'.")
    return Review(version, reviewer="Kim")


@contextlib.contextmanager
def serving(review):
    with serve(review, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of one server for all tests that leave no decision behind."""
    version = ingest(tiny_set(tmp_path_factory.mktemp("review") / "tiny", patients=3)).version
    with serving(reviewed(version)) as client:
        yield client


@pytest.fixture
def own(version):
    """A client of a server of this test's own."""
    with serving(reviewed(version)) as client:
        yield client


def test_what_the_page_needs(client):
    review = client.review
    answer, page = client.ask()
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert b'<script type="module"' in page
    for name in ("page.css", "review.css", "review.js", "grid.js", "film.js", "tools.js"):
        assert client.ask(name)[0].status == 200
    state = json.loads(client.ask("state")[1])
    assert (state["version"], state["reviewer"]) == ("v1", "Kim")
    assert [(i["name"], i["score"], i["film"]) for i in state["items"]] == [
        ("rotation", 0.95, 0), ("rotation", 0.9, 1), ("label-swapped", 0.95, 2),
    ]  # fmt: skip
    answer, data = client.ask("thumb/0")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(data, np.uint8), 0).shape == (96, 96)
    film = cv2.imdecode(np.frombuffer(client.ask("film/0")[1], np.uint8), 0)
    assert np.array_equal(film, Pictures(review.version)._reader.image(state["films"][0]["id"]))
    shapes = json.loads(client.ask("outlines/2")[1])
    assert {s["label"] for s in shapes} == {"Radius", "Ulna", "Scaphoid", "finger-7"}
    assert all(s["path"].startswith("M") for s in shapes)
    assert all(0 < v < 96 for s in shapes for v in s["at"])
    assert len(client.ask("sketch/2")[1]) <= len(client.ask("outlines/2")[1])


def test_a_decision_is_on_disk_when_it_is_answered(own):
    client, review = own, own.review
    answer, data = client.decide(1, "accepted")
    said = json.loads(data)
    assert (answer.status, said["outcome"], said["by"]) == (200, "accepted", "Kim")
    item = review.items[1]
    held = load_decisions(review.version.root).on(item.row.id, "rotation", item.row.digest, 1)[0]
    assert (held.outcome, held.by, held.at) == ("accepted", "Kim", said["at"])
    client.decide(1, "undecided")
    assert json.loads(client.ask("state")[1])["items"][1]["outcome"] == "undecided"
    assert review.line() == "0 of 3 flags decided, 0 of them rejected"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Length": "99999999"}, 413),
        ({"Content_Length": "-1"}, 413),
    ],
    ids=str,
)
def test_strangers_decide_nothing(client, headers, status):
    review = client.review
    assert client.decide(0, "accepted", **headers)[0].status == status
    assert not (review.version.root / DECISIONS).exists()


def test_without_the_secret_there_is_nothing(client):
    for place in ("/", "/state", "/thumb/0", f"/{'x' * 32}/state", "//evil.example/state"):
        assert client.ask(place)[0].status == 404
    assert client.ask(client.origin + "/")[0].status == 404
    body = json.dumps({"item": 0, "outcome": "accepted"})
    headers = {"Origin": client.origin, "Content_Type": "application/json"}
    assert client.ask("/decide", "POST", body, **headers)[0].status == 404
    link = http.client.HTTPConnection("127.0.0.1", client.server.server_port, timeout=20)
    link.request("POST", f"/{client.place}decide", body, {"Content-Type": "application/json"})
    assert link.getresponse().status == 403  # no origin at all
    link.close()


@pytest.mark.parametrize(
    "place",
    ["thumb/3", "thumb/-1", "thumb/../../etc/passwd", "thumb/%2e%2e", "film/0x1", "film/", "state/", "server.py",
     "../server.py", "thumb/1/2", "outlines/%D9%A3", "thumb/99999999999999999999"],
)  # fmt: skip
def test_no_other_place_exists(client, place):
    assert client.ask(place)[0].status == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"3", b'{"item": 0}', b'{"item": true, "outcome": "accepted"}',
    b'{"item": 9, "outcome": "accepted"}', b'{"item": -1, "outcome": "accepted"}', b'{"item": 0, "outcome": "x"}',
    b'{"item": 0, "outcome": ["accepted"]}', b'{"item": "0", "outcome": "accepted"}', b"\xff\xfe"])  # fmt: skip
def test_what_is_no_decision_decides_nothing(client, body):
    review = client.review
    answer, _ = client.ask("decide", "POST", body, Origin=client.origin, Content_Type="application/json")
    assert answer.status == 400
    assert not (review.version.root / DECISIONS).exists()


def test_only_this_machine_is_listened_to(client):
    assert client.server.server_address[0] == "127.0.0.1"
    with pytest.raises(UsageError, match=r"--port: .* cannot be had"):
        serve(client.server.review, client.server.server_port)
    with pytest.raises(UsageError, match="70000 is no port"):
        serve(client.server.review, 70000)


def test_a_port_in_use_by_default_is_another_one(client, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr("curate.review.server.PORT", taken.getsockname()[1])
        with serve(client.review) as server:
            assert server.server_port != taken.getsockname()[1]


def test_a_film_that_has_changed_is_told_in_one_line(own):
    client, review = own, own.review
    row = review.items[0].row
    (review.version.root / row.image).write_bytes(b"something else")
    for place in ("thumb/0", "film/0"):
        answer, data = client.ask(place)
        assert (answer.status, json.loads(data)["path"]) == (500, row.image)
    (review.version.root / review.items[2].row.labels).unlink()
    assert "cannot be read" in json.loads(client.ask("outlines/2")[1])["detail"]
    assert client.ask("thumb/1")[0].status == 200


def test_a_full_disk_is_told_and_nothing_is_decided(own):
    client, review = own, own.review
    (review.version.root / DECISIONS).parent.write_text("a file in the way")
    answer, data = client.decide(0, "accepted")
    assert answer.status == 500
    assert "cannot be written" in json.loads(data)["detail"]
    assert review.items[0].raised.outcome == "undecided"


def test_a_large_film_comes_small_and_memory_is_bounded(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(6):
        (tmp_path / "DCM" / f"ID{k}").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "DCM" / f"ID{k}" / "film.png"), rng.integers(0, 255, (700, 500), np.uint8))
    version = ingest(tmp_path, classes=("Radius",)).version
    pictures = Pictures(version)
    small = [pictures.thumb(row.id) for row in version.samples]
    assert cv2.imdecode(np.frombuffer(small[0], np.uint8), 0).shape == (THUMB, round(THUMB * 500 / 700))
    pictures._bound = 2 * max(map(len, small))
    assert pictures.thumb(version.samples[0].id) == small[0]
    pictures._kept.clear()
    pictures._size = 0
    for row in version.samples:
        pictures.thumb(row.id)
    assert len(pictures._kept) == 2
    assert pictures._size == sum(map(len, pictures._kept.values()))


def test_the_command_serves_until_it_is_stopped(version, tmp_path):
    reviewed(version)
    command = [Path(sys.executable).parent / "curate", "review", "--reviewer", "Kim", "--port", "0"]
    with subprocess.Popen(command, cwd=version.root, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "0 of 3 flags decided, 0 of them rejected; you are Kim\n"
            url = child.stdout.readline().removeprefix("open ").strip()
            body = json.dumps({"item": 2, "outcome": "rejected"}).encode()
            origin = url.rsplit("/", 2)[0]
            headers = {"Origin": origin, "Content-Type": "application/json"}
            with urllib.request.urlopen(urllib.request.Request(f"{url}decide", body, headers), timeout=20) as answer:
                assert json.loads(answer.read())["by"] == "Kim"
            child.send_signal(signal.SIGINT)
            assert child.stdout.read().endswith("1 of 3 flags decided, 1 of them rejected\n")
        finally:
            child.kill()
    assert child.returncode == 0
