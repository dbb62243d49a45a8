"""Fetching sample photos, against a server on this machine that behaves well or badly."""

from __future__ import annotations

import csv
import io
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from app.preview import samples
from app.preview.samples import SAMPLE_PHOTOS, SAMPLES_URL, SamplesError, fetch_samples
from core.taxonomy import load_taxonomy
from tests.waiting import until

Answer = Callable[[BaseHTTPRequestHandler], None]


def jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    out = io.BytesIO()
    Image.new("RGB", (60, 80), (200, 40, 40)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def send(request: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """Starts a server that gives the answer to every request, and returns its address."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/images/"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_dozen_photos_come_decoded_and_without_metadata(tmp_path, serve):
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        send(request, jpeg())

    told: list[tuple[int, int]] = []
    paths = fetch_samples(
        tmp_path / "new", serve(answer), progress=lambda done, total: told.append((done, total))
    )
    assert len(paths) == 12
    assert asked == [f"/images/{photo_id}.jpg" for _, photo_id in SAMPLE_PHOTOS]
    assert told == [(n, 12) for n in range(1, 13)]
    assert paths[0].name == "t-shirt-b1caeb6f.jpg"
    assert sorted((tmp_path / "new").iterdir()) == sorted(paths)
    with Image.open(paths[0]) as image:
        assert image.size == (60, 80)
        assert not image.getexif()


def test_photos_that_are_there_are_not_fetched_again(tmp_path, serve):
    address = serve(lambda request: send(request, jpeg()))
    first = fetch_samples(tmp_path, address, count=2)
    again = fetch_samples(tmp_path, "https://127.0.0.1:1/", count=2)  # nobody listens there
    assert again == first


def test_missing_and_damaged_photos_are_left_out(tmp_path, serve):
    answers = iter([(b"", 404), (b"<html>no photo</html>", 200), (jpeg()[:300], 200), (jpeg(), 200)])

    def answer(request: BaseHTTPRequestHandler) -> None:
        body, status = next(answers)
        send(request, body, status)

    paths = fetch_samples(tmp_path, serve(answer), count=4)
    assert [path.name for path in paths] == [f"pants-{SAMPLE_PHOTOS[3][1][:8]}.jpg"]
    assert list(tmp_path.iterdir()) == paths


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [(b"", 404, "answered 404"), (b"", 503, "answered 503"), (b"\x00" * 500, 200, "no photo")],
)
def test_one_sentence_where_not_one_photo_can_be_had(tmp_path, serve, body, status, sentence):
    with pytest.raises(SamplesError, match=sentence) as caught:
        fetch_samples(tmp_path, serve(lambda request: send(request, body, status)), count=3)
    assert "drawn samples work without a network" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_beyond_the_limit_is_not_read_to_its_end(tmp_path, serve, monkeypatch):
    monkeypatch.setattr(samples, "MAX_SAMPLE_BYTES", 2**20)
    sent = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(400):
            request.wfile.write(b"\xff" * 2**18)
            sent.append(2**18)

    with pytest.raises(SamplesError, match="larger than 1 MB"):
        fetch_samples(tmp_path, serve(answer), count=1)
    assert sum(sent) < 50 * 2**20


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "dripping"])
def test_a_slow_server_is_given_up_after_the_first_photo(tmp_path, serve, drip):
    asked = []
    given_up = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        if drip:
            request.send_response(200)
            request.end_headers()
        while not given_up.wait(0.05):
            if drip:
                request.wfile.write(b"\xff")

    try:
        with pytest.raises(SamplesError, match="0.3 seconds"):
            fetch_samples(tmp_path, serve(answer), timeout_seconds=0.3)
        until(lambda: asked)  # the server may still be busy with taking the request
        assert len(asked) == 1
    finally:
        given_up.set()


def test_what_came_before_the_connection_broke_is_kept(tmp_path, serve):
    count = iter(range(9))

    def answer(request: BaseHTTPRequestHandler) -> None:
        if next(count) < 2:
            send(request, jpeg())
        else:
            request.connection.shutdown(socket.SHUT_RDWR)

    assert len(fetch_samples(tmp_path, serve(answer))) == 2


def test_no_server_is_told_kindly(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, not listening: nothing answers here
        address = f"http://127.0.0.1:{held.getsockname()[1]}/"
        with pytest.raises(SamplesError, match="no connection.*drawn samples"):
            fetch_samples(tmp_path, address, timeout_seconds=2)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/",
        "file:///etc/",
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "https://",
        "http://127.0.0.1.example.org/",
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(tmp_path, address):
    with pytest.raises(SamplesError, match="over https"):
        fetch_samples(tmp_path / "none", address)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "https://example.org/x.jpg", "http://example.org/x.jpg"]
)
def test_a_redirect_to_elsewhere_is_not_followed(tmp_path, serve, target):
    with pytest.raises(SamplesError):
        fetch_samples(tmp_path, serve(lambda request: send(request, b"", 302, Location=target)), count=1)


def test_a_redirect_on_the_same_machine_is_followed(tmp_path, serve):
    home = serve(lambda request: send(request, jpeg()))
    address = serve(lambda request: send(request, b"", 302, Location=home + "x.jpg"))
    assert len(fetch_samples(tmp_path, address, count=1)) == 1


def test_a_redirect_in_a_circle_ends(tmp_path, serve):
    with pytest.raises(SamplesError, match="answered 302"):
        fetch_samples(
            tmp_path, serve(lambda request: send(request, b"", 302, Location=request.path)), count=1
        )


def test_none_asked_for_is_none_fetched(tmp_path):
    assert fetch_samples(tmp_path, count=0) == []


def test_the_dozen_has_labels_of_the_catalog_and_an_address_of_its_own():
    assert len(SAMPLE_PHOTOS) == len({photo_id for _, photo_id in SAMPLE_PHOTOS}) == 12
    assert {label for label, _ in SAMPLE_PHOTOS} <= set(load_taxonomy("catalog").categories)
    assert SAMPLES_URL.startswith("https://") and SAMPLES_URL.endswith("/")


@pytest.mark.photos
def test_the_dozen_is_what_the_catalog_says_and_no_validation_photo(test_data):
    with (test_data / "catalog" / "images.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    validation = set((test_data / "catalog" / "val_senders.txt").read_text().split())
    for label, photo_id in SAMPLE_PHOTOS:
        assert rows[photo_id]["label"] == label
        assert rows[photo_id]["sender_id"] not in validation
