"""The live camera's routes: who may send frames, and what comes back."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from app.auth.origins import OwnOriginOnly
from app.demo.live import routes
from app.demo.live.sessions import MOST_FRAME_BYTES, LiveSessions
from core.inference.video_labeler import VideoLabeler
from tests.moving import moving_labeler, moving_picture
from tests.waiting import PATIENCE_SECONDS

pytest.importorskip("httpx")

JPEG = {"content-type": "image/jpeg"}


@pytest.fixture
def client() -> TestClient:
    """The routes alone, with room for two cameras."""
    labeler = moving_labeler()
    sessions = LiveSessions(partial(VideoLabeler, labeler), most=2)
    middleware = [Middleware(OwnOriginOnly, requests=True)]  # as the demo has it for all routes
    return TestClient(Starlette(routes=routes.live_routes(labeler, sessions), middleware=middleware))


@pytest.fixture
def frame() -> bytes:
    stream = io.BytesIO()
    moving_picture(0).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def started(client: TestClient) -> str:
    return f"/live/sessions/{client.post('/live/sessions').json()['session']}"


def test_a_frame_is_answered_with_boxes_and_colors(client: TestClient, frame: bytes) -> None:
    session = started(client)
    answers = [client.post(f"{session}/frames?threshold=0.3", content=frame, headers=JPEG) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    told = answers[1].json()
    assert (told["width"], told["height"], told["frame"]) == (320, 240, 1)
    assert sorted(garment["track"] for garment in told["garments"]) == [1, 2]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", garment["color"]) for garment in told["garments"])
    assert client.post(f"{session}/frames?threshold=0.99", content=frame).json()["garments"] == []


def test_faults_are_sentences_with_their_status(client: TestClient, frame: bytes) -> None:
    session = started(client)
    for address, data, status, sentence in (
        (f"{session}/frames", b"<html>", 422, "Expected a photo"),
        (f"{session}/frames", bytes(MOST_FRAME_BYTES + 1), 422, "at most 512 KiB"),
        (f"{session}/frames?threshold=abc", frame, 422, "a threshold in 0..1"),
        (f"{session}/frames?threshold=nan", frame, 422, "a threshold in 0..1"),
        (f"{session}/frames?taken=inf", frame, 422, "a frame's time in seconds in 0..1e+08"),
        ("/live/sessions/invented/frames", frame, 410, "start the camera again"),
    ):
        answer = client.post(address, content=data)
        assert answer.status_code == status
        assert sentence in answer.json()["error"]


def test_frames_are_followed_in_the_cameras_order(client: TestClient, frame: bytes) -> None:
    session = started(client)
    answers = [client.post(f"{session}/frames?taken={taken}", content=frame) for taken in (7.25, 7.5, 7.4)]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert [answer.json()["frame"] for answer in answers[:2]] == [0, 1]
    assert answers[0].json()["at_once"] in (1, 2)


def test_a_camera_that_waits_for_the_models_holds_nobody_up(frame: bytes) -> None:
    """The demo has one event loop: a route that waited in it would hold up every page."""
    loading: Future[Any] = Future()
    asked = threading.Event()

    class Loading:
        default_threshold = 0.3

        def __getattr__(self, name: str) -> Any:
            asked.set()
            return getattr(loading.result(), name)

    app = Starlette(routes=routes.live_routes(cast(Any, Loading())))
    with TestClient(app) as client, ThreadPoolExecutor(2) as threads:  # both in one event loop
        try:
            starts = threads.submit(client.post, "/live/sessions")
            assert asked.wait(PATIENCE_SECONDS)
            page = threads.submit(client.get, "/live").result(PATIENCE_SECONDS)
            assert page.status_code == 200 and not starts.done()
        finally:
            loading.set_result(moving_labeler())
        session = f"/live/sessions/{starts.result().json()['session']}"
        assert client.post(f"{session}/frames", content=frame).status_code == 200


def test_too_many_cameras_are_told_and_an_ended_one_makes_room(client: TestClient) -> None:
    first, _ = started(client), started(client)
    refused = client.post("/live/sessions")
    assert refused.status_code == 503 and "2 cameras" in refused.json()["error"]
    assert client.post(f"{first}/end").status_code == 204
    assert client.post("/live/sessions").status_code == 200


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://testserver:81", "null"])
def test_pages_of_other_origins_are_refused(client: TestClient, frame: bytes, origin: str) -> None:
    session = started(client)
    for address in ("/live/sessions", f"{session}/frames", f"{session}/end"):
        assert client.post(address, content=frame, headers={"origin": origin}).status_code == 403
    own = client.post(f"{session}/frames", content=frame, headers={"origin": "http://testserver"})
    assert own.status_code == 200


def test_a_fault_of_the_models_is_no_trace(
    client: TestClient, frame: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    session = started(client)
    monkeypatch.setattr(LiveSessions, "label", fail)
    answer = client.post(f"{session}/frames", content=frame)
    assert answer.status_code == 500 and "secret" not in answer.text


def test_a_demo_with_a_password_takes_its_cookie_only(client: TestClient, frame: bytes) -> None:
    app: Any = client.app
    app.auth, app.cookie_id, app.tokens = object(), "id", {"right": "ada"}
    for address in ("/live/sessions", "/live/sessions/some/frames"):
        assert client.post(address, content=frame).status_code == 401
    page = client.get("/live", follow_redirects=False)
    assert page.status_code == 307 and page.headers["location"].endswith("/")
    client.cookies.set("access-token-unsecure-id", "wrong")
    assert client.post("/live/sessions").status_code == 401
    client.cookies.set("access-token-unsecure-id", "right")
    assert client.post("/live/sessions").status_code == 200
    assert client.get("/live").status_code == 200


def test_the_page_has_the_sliders_range_and_only_own_files(client: TestClient) -> None:
    page = client.get("/live").text
    assert 'min="0.1"' in page and 'value="0.3"' in page and "{{" not in page
    assert not re.search(r"https?://", page), "nothing from elsewhere"
    for name in re.findall(r'live/files/[^"]+', page):
        assert client.get(f"/{name}").status_code == 200
    assert client.get("/live/files/routes.py").status_code == 404
    assert client.get("/live/files/..%2fapi.py").status_code == 404


def test_boxes_lie_on_the_picture_that_is_seen() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    module = Path(routes.FOLDER / "overlay.js").read_text(encoding="utf-8")
    script = (
        module
        + """
const frame = (x) => ({ width: 320, height: 240, garments: [{ track: 1, box: [x, 10, x + 20, 30] }] });
const motion = new Motion(250, 1);
const told = [motion.at(5)];
motion.take(frame(100), 1000);
told.push(motion.at(1200).garments[0].box[0]);
motion.take(frame(110), 1100);
told.push(motion.at(1150).garments[0].box[0], motion.at(9000).garments[0].box[0]);
told.push(fitted(320, 240, 640, 640), onScreen([10, 20, 30, 40], frame(0), fitted(320, 240, 640, 640), true));
told.push(textColor("#ffffff"), textColor("#101060"));
console.log(JSON.stringify(told));
"""
    )
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True)
    assert json.loads(done.stdout) == [
        None, 100, 115, 135,
        {"scale": 2, "left": 0, "top": 80}, {"x": 580, "y": 120, "width": 40, "height": 40},
        "#111111", "#ffffff",
    ], done.stderr  # fmt: skip
