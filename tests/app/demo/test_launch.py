"""The demo as its callers meet it: a shell, gradio_client, and strangers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.demo import launch
from core.errors import AccessError, LapelError
from core.garments import LabeledPhoto
from core.images.decode import Photo, open_photo
from tests.fakes import FakeLabeler, fake_explain
from tests.ports import free_port, wait_until_open
from tests.waiting import PATIENCE_SECONDS, until

gradio_client = pytest.importorskip("gradio_client")
httpx = pytest.importorskip("httpx")

ROOT = Path(__file__).parents[3]
PASSWORD = "corduroy"
DESCRIPTION = 270
PATIENT = {"timeout": PATIENCE_SECONDS}
get, post, request = (partial(call, **PATIENT) for call in (httpx.get, httpx.post, httpx.request))


class BusyLabeler(FakeLabeler):
    """A fake labeler that counts what it is asked for at once, and works while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self._counting = threading.Lock()
        self.now = self.most = 0
        self.gate = threading.Event()
        self.gate.set()

    def label(self, photo: Photo, score_threshold: float | None = None) -> LabeledPhoto:
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            assert self.gate.wait(PATIENCE_SECONDS)
            return super().label(photo, score_threshold)
        finally:
            with self._counting:
                self.now -= 1


class Served:
    """A demo that listens: its address, labeler and folder of uploads."""

    def __init__(self, password: str | None = None) -> None:
        self.port = free_port()
        self.labeler = BusyLabeler()
        self.url = f"http://127.0.0.1:{self.port}"
        self.app = launch.serve(self.labeler, fake_explain, port=self.port, password=password, wait=False)

    @property
    def files(self) -> list[Path]:
        return [path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def served(environment: None) -> Iterator[Served]:
    server = Served()
    yield server
    server.app.close()


@pytest.fixture(scope="module")
def closed(environment: None) -> Iterator[Served]:
    server = Served(PASSWORD)
    yield server
    server.app.close()


@pytest.fixture(scope="module")
def client(served: Served) -> Any:
    return gradio_client.Client(served.url, verbose=False, httpx_kwargs=PATIENT)


# From the shell


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.168.1.5", "example.org"])
def test_an_address_that_others_reach_needs_a_password(address: str) -> None:
    with pytest.raises(AccessError, match=launch.PASSWORD_VARIABLE):
        launch.require_password(address, None)
    launch.require_password(address, PASSWORD)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "localhost", "::1"])
def test_this_machine_needs_none(address: str) -> None:
    launch.require_password(address, None)


def test_a_refused_address_ends_at_once_with_status_two_and_a_sentence() -> None:
    program = (
        "import sys; from app.demo.launch import main; status = main(['--address', '0.0.0.0']);"
        "assert not {'gradio', 'torch'} & set(sys.modules); sys.exit(status)"
    )
    environment = {key: value for key, value in os.environ.items() if key != launch.PASSWORD_VARIABLE}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 2, ended.stderr
    assert "expected 127.0.0.1" in ended.stderr and "got 0.0.0.0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_uploads_lie_in_a_folder_of_ones_own_and_nothing_is_reported_home(environment: None) -> None:
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_a_port_that_is_taken_is_one_sentence(served: Served) -> None:
    with pytest.raises(LapelError, match=f"127.0.0.1:{served.port}"):
        launch.serve(FakeLabeler(), fake_explain, port=served.port, wait=False)


def test_a_stopped_demo_leaves_no_uploads_behind(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "from app.demo import launch; from tests.fakes import FakeLabeler, fake_explain;"
        "launch.prepare_environment();"
        f"launch.serve(FakeLabeler(), fake_explain, port={port})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
    ) as server:
        wait_until_open(port, server)
        answer = post(f"http://127.0.0.1:{port}/gradio_api/upload", files={"files": ("a.jpg", b"photo")})
        assert answer.status_code == 200
        assert [path.name for path in tmp_path.rglob("a.jpg")] == ["a.jpg"]
        server.terminate()
        assert server.wait(timeout=PATIENCE_SECONDS) == 0, server.stderr and server.stderr.read()
    assert not list(tmp_path.rglob("a.jpg"))


# Through gradio_client


def test_label_gives_the_contracts_line(client: Any, photo: Path) -> None:
    line = client.predict(photo=gradio_client.handle_file(str(photo)), api_name="/label")
    assert line == FakeLabeler().label(open_photo(photo)).as_dict()
    assert list(line) == ["photo", "width", "height", "seconds", "models", "garments"]
    assert [garment["category"] for garment in line["garments"]] == ["top", "pants"]


def test_label_takes_a_threshold(client: Any, photo: Path) -> None:
    line = client.predict(photo=gradio_client.handle_file(str(photo)), threshold=0.2, api_name="/label")
    assert [garment["score"] for garment in line["garments"]] == [0.9, 0.6, 0.3]


def test_explain_gives_the_contracts_index_and_its_files(client: Any, photo: Path) -> None:
    index, files = client.predict(photo=gradio_client.handle_file(str(photo)), api_name="/explain")
    assert index["photo"] == "coat.png"
    assert [set(garment) for garment in index["garments"]] == [{"box", "category", "top5", "maps"}] * 2
    assert [entry["stage"] for entry in index["detector_maps"]] == ["stride8", "stride16", "stride32"]
    named = {file for garment in index["garments"] for file in garment["maps"].values()}
    named |= {entry["file"] for entry in index["detector_maps"]}
    assert {Path(file).name for file in files} == named
    sizes = {Path(file).name: Image.open(file).size for file in files}
    assert sizes["detector_stride16.png"] == (120, 240)
    assert sizes[index["garments"][0]["maps"]["class_activation"]] == (72, 80), "the box's part of the photo"


def test_only_the_two_endpoints_are_offered_and_both_are_described(client: Any) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert set(offered["named_endpoints"]) == {"/label", "/explain"}
    assert not offered["unnamed_endpoints"]
    for endpoint in offered["named_endpoints"].values():
        assert [p["parameter_name"] for p in endpoint["parameters"]] == ["photo", "threshold"]
        assert "garments" in endpoint["description"]


@pytest.mark.parametrize("endpoint", ["/label", "/explain"])
def test_a_broken_file_is_one_sentence_and_the_demo_lives_on(
    client: Any, photo: Path, tmp_path: Path, endpoint: str
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"<script>alert(1)</script>" * 9)
    with pytest.raises(gradio_client.exceptions.AppError, match="Expected a photo .JPEG"):
        client.predict(photo=gradio_client.handle_file(str(broken)), api_name=endpoint)
    assert client.predict(photo=gradio_client.handle_file(str(photo)), api_name="/label")["garments"]


def test_no_photo_and_a_threshold_out_of_range_are_one_sentence_each(client: Any, photo: Path) -> None:
    with pytest.raises(gradio_client.exceptions.AppError, match="Expected a photo, got none"):
        client.predict(photo=None, api_name="/label")
    with pytest.raises(gradio_client.exceptions.AppError, match=r"0\.\.1, got 7"):
        client.predict(photo=gradio_client.handle_file(str(photo)), threshold=7, api_name="/label")


def test_the_models_see_one_photo_at_a_time(served: Served, client: Any, photo: Path) -> None:
    served.labeler.seconds, before = 0.1, served.labeler.calls
    try:
        with ThreadPoolExecutor(4) as pool:
            calls = [
                pool.submit(client.predict, photo=gradio_client.handle_file(str(photo)), api_name=name)
                for name in ("/label", "/explain", "/label", "/explain")
            ]
            assert all(call.result(timeout=PATIENCE_SECONDS) for call in calls)
    finally:
        served.labeler.seconds = 0.0
    assert served.labeler.calls == before + 4
    assert served.labeler.most == 1


# Strangers


def test_a_photos_position_stays_nowhere(served: Served, client: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[DESCRIPTION] = "52.5163 N 13.3777 E"
    Image.new("RGB", (64, 64), "red").save(tmp_path / "home.jpg", exif=exif)
    assert b"52.5163" in (tmp_path / "home.jpg").read_bytes()
    client.predict(photo=gradio_client.handle_file(str(tmp_path / "home.jpg")), api_name="/label")
    client.predict(photo=gradio_client.handle_file(str(tmp_path / "home.jpg")), api_name="/explain")
    assert not [path for path in served.files if b"52.5163" in path.read_bytes()]


def test_a_file_that_is_too_large_is_refused_by_the_server(served: Served) -> None:
    large = io.BytesIO(bytes(31 * 10**6 + 2**20))
    answer = post(f"{served.url}/gradio_api/upload", files={"files": ("large.jpg", large)})
    assert answer.status_code == 413


def call(served: Served, photo: Any) -> str:
    """What the server says to a call of ``/label`` that no client would make."""
    joined = post(f"{served.url}/gradio_api/call/label", json={"data": [photo, None]})
    return str(get(f"{served.url}/gradio_api/call/label/{joined.json()['event_id']}").text)


@pytest.mark.parametrize(
    "extra", [{"meta": {"_type": "gradio.FileData"}}, {}, {"url": "x"}, {"meta": {}}, {"is_stream": True}]
)
def test_a_file_of_the_machine_is_no_photo(served: Served, photo: Path, extra: dict[str, Any]) -> None:
    before, calls = photo.read_bytes(), served.labeler.calls
    assert "event: error" in call(served, {"path": str(photo), **extra})
    assert served.labeler.calls == calls
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    "strange", ["text", 7, [], {}, {"path": None}, {"path": 7}, {"url": "data:image/png;base64,AAAA"}]
)
def test_what_is_no_upload_is_an_error_and_no_more(served: Served, strange: Any) -> None:
    calls = served.labeler.calls
    assert "event: error" in call(served, strange)
    assert served.labeler.calls == calls


def test_a_web_address_is_not_fetched(served: Served) -> None:
    address = {"path": "https://example.org/photo.jpg", "meta": {"_type": "gradio.FileData"}}
    assert "Expected an uploaded photo, got a web address" in call(served, address)


@pytest.mark.parametrize(
    "route",
    [
        "file=https://example.org/a.png",
        "file=HTTP:/x/a.png",
        "proxy=https://example.org/",
        "file%3Dhttp://x/",
    ],
)
def test_the_demo_hands_on_nothing_but_its_own_files(served: Served, route: str) -> None:
    answer = get(f"{served.url}/gradio_api/{route}", follow_redirects=False)
    assert (answer.status_code, answer.text) == (403, "The demo gives out its own files only.")
    assert get(f"{served.url}/gradio_api/file=/etc/passwd").status_code == 403


def test_nobody_gets_around_the_queue(served: Served) -> None:
    for name in ("label", "explain"):
        answer = post(f"{served.url}/gradio_api/run/{name}", json={"data": [None, None]})
        assert answer.status_code in (401, 403, 404)


def test_who_comes_when_the_queue_is_full_is_sent_away_and_the_others_are_served(
    served: Served, photo: Path
) -> None:
    [path] = post(f"{served.url}/gradio_api/upload", files={"files": photo.open("rb")}).json()
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    begin = partial(post, f"{served.url}/gradio_api/call/label")
    before = served.labeler.calls
    served.labeler.gate.clear()
    try:
        first = begin(json={"data": [picture, None]})
        until(lambda: served.labeler.now == 1)
        waiting = [begin(json={"data": [picture, None]}) for _ in range(launch.MAX_WAITING)]
        assert {answer.status_code for answer in (first, *waiting)} == {200}
        assert begin(json={"data": [picture, None]}).status_code == 503
    finally:
        served.labeler.gate.set()
    until(lambda: served.labeler.calls == before + 1 + launch.MAX_WAITING)


def test_a_foreign_name_for_this_machine_is_not_answered(served: Served) -> None:
    assert get(served.url, headers={"Host": "evil.example"}).status_code == 400
    answer = get(served.url)
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# Behind a password


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/file=/tmp/x.png"),
        ("POST", "/gradio_api/call/label"),
        ("POST", "/gradio_api/run/label"),
        ("POST", "/gradio_api/queue/join"),
    ],
)
def test_without_the_password_no_route_answers(closed: Served, method: str, route: str) -> None:
    body = {"json": {"data": [None, None], "fn_index": 0, "session_hash": "x"}} if method == "POST" else {}
    assert request(method, closed.url + route, **body).status_code == 401


def test_without_the_password_nothing_can_be_uploaded(closed: Served, photo: Path) -> None:
    before = closed.files
    answer = post(f"{closed.url}/gradio_api/upload", files={"files": ("coat.png", photo.read_bytes())})
    assert answer.status_code == 401
    assert closed.files == before


def test_the_page_is_a_login_until_the_password_is_given(closed: Served) -> None:
    assert '"auth_required":true' in get(closed.url).text.replace(" ", "")
    wrong = post(f"{closed.url}/login", data={"username": "ada", "password": "tweed"})
    assert wrong.status_code == 400
    with httpx.Client(**PATIENT) as visitor:
        visitor.post(f"{closed.url}/login", data={"username": "ada", "password": PASSWORD}).raise_for_status()
        assert visitor.get(f"{closed.url}/config").status_code == 200


def test_the_client_signs_in(closed: Served, photo: Path) -> None:
    client = gradio_client.Client(closed.url, auth=("anyone", PASSWORD), verbose=False, httpx_kwargs=PATIENT)
    line = client.predict(photo=gradio_client.handle_file(str(photo)), api_name="/label")
    assert line["photo"] == "coat.png" and line["garments"]
