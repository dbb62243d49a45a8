"""Calls of the demo's API with anything in the place of a photo or a threshold: one sentence each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.demo import launch
from app.demo.api import endpoints, in_range
from app.demo.uploads import BoundedUploads
from core.errors import RecipeError
from tests.fakes import FakeLabeler, fake_explain
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

gr = pytest.importorskip("gradio")
httpx = pytest.importorskip("httpx")

WENT_WRONG = "went wrong"


@pytest.fixture
def uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Gradio's description of a photo in its folder."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "coat.png")
    return {"path": str(tmp_path / "coat.png"), "orig_name": "coat.png"}


@pytest.mark.parametrize(
    "photo",
    [None, {}, [], "coat.png", 3, True, {"path": None}, {"path": 3}, {"url": "http://a.example/b.png"}],
)
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_uploaded_photo_is_a_sentence(uploaded, photo, which):
    with pytest.raises(gr.Error) as refused:
        endpoints(FakeLabeler(), fake_explain)[which](photo)
    assert "photo, got" in refused.value.message and WENT_WRONG not in refused.value.message


ODD_THRESHOLDS = ["0,5", "abc", "0.5", "", float("nan"), float("inf"), -0.1, 1.5, True, [], {}, 10**400]


@pytest.mark.parametrize("threshold", ODD_THRESHOLDS)
def test_what_is_no_threshold_is_a_sentence(uploaded, threshold):
    for call in endpoints(FakeLabeler(), fake_explain):
        with pytest.raises(gr.Error, match=r"a threshold in 0\.\.1, got") as refused:
            call(uploaded, threshold)
        assert len(refused.value.message) < 120


def test_a_threshold_is_a_number_in_its_range_or_the_cards():
    assert [in_range(value) for value in (None, 0, 0.25, 1)] == [None, 0.0, 0.25, 1.0]
    with pytest.raises(RecipeError):
        in_range("0.25")


def test_a_photos_name_that_is_no_text_is_left_aside(uploaded):
    label, _ = endpoints(FakeLabeler(), fake_explain)
    assert label(uploaded | {"orig_name": 3})["photo"] == "coat.png"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A demo that listens."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "restored at the end")
        for name in ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE"):
            patch.setenv(name, "restored at the end")
        launch.prepare_environment()
        port = free_port()
        demo = launch.serve(FakeLabeler(), fake_explain, port=port, wait=False)
        yield f"http://127.0.0.1:{port}"
        demo.close()


def said(address: str, photo: Any, threshold: Any) -> str:
    """The error of a call as it comes over the wire."""
    call = f"{address}/gradio_api/call/label"
    begun = httpx.post(call, json={"data": [photo, threshold]}, timeout=PATIENCE_SECONDS)
    answer = httpx.get(f"{call}/{begun.json()['event_id']}", timeout=PATIENCE_SECONDS).text
    assert "event: error" in answer
    data = next(line for line in answer.splitlines() if line.startswith("data: "))
    return str(json.loads(data.removeprefix("data: ")))


@pytest.mark.e2e
def test_the_sentence_comes_over_the_wire_as_well(address, tmp_path):
    for photo in (None, {}):
        assert "Expected a" in said(address, photo, None)
    Image.new("RGB", (60, 40), "teal").save(tmp_path / "coat.png")
    files = {"files": ("coat.png", (tmp_path / "coat.png").read_bytes())}
    path = httpx.post(f"{address}/gradio_api/upload", files=files, timeout=PATIENCE_SECONDS).json()[0]
    for threshold in ("0,5", "abc", 1.5):
        sent = {"path": path, "orig_name": "coat.png", "meta": {"_type": "gradio.FileData"}}
        answer = said(address, sent, threshold)
        assert "Expected a threshold in 0..1" in answer


ELSEWHERE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
OWN = [{}, {"Origin": "{address}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]


def statuses(address: str, headers: dict[str, str]) -> dict[str, int]:
    """The answers to an upload, a call, and a place in the queue, with the page's photo and API alike."""
    sent = {name: value.format(address=address) for name, value in headers.items()}
    base = f"{address}/gradio_api"
    functions = httpx.get(f"{address}/config", timeout=PATIENCE_SECONDS).json()["dependencies"]
    label = next(function["id"] for function in functions if function["api_name"] == "label")
    join = {"data": [None, None], "fn_index": label, "session_hash": "s", "trigger_id": None}
    bodies: dict[str, Any] = {
        "upload": {"files": {"files": ("coat.png", b"photo")}},
        "call/label": {"json": {"data": [None, None]}},
        "queue/join": {"json": join},
    }
    return {
        path: httpx.post(f"{base}/{path}", headers=sent, timeout=PATIENCE_SECONDS, **body).status_code
        for path, body in bodies.items()
    }


@pytest.mark.e2e
@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_a_page_of_another_origin_uses_nothing(address, headers):
    assert set(statuses(address, headers).values()) == {403}


@pytest.mark.e2e
@pytest.mark.parametrize("headers", OWN, ids=str)
def test_the_demos_own_page_and_scripts_use_everything(address, headers):
    assert set(statuses(address, headers).values()) == {200}


@pytest.mark.e2e
def test_the_page_itself_opens_from_a_link_elsewhere(address):
    answer = httpx.get(address, headers={"Sec-Fetch-Site": "cross-site"}, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200


@pytest.fixture
def bounded(tmp_path, monkeypatch) -> TestClient:
    """A server that keeps what is uploaded, of which it has room for a thousand bytes."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))

    async def keep(request: Request) -> PlainTextResponse:
        data = await request.body()
        (tmp_path / f"{len(list(tmp_path.iterdir()))}").write_bytes(data)
        return PlainTextResponse("kept")

    layers = [Middleware(BoundedUploads, most_bytes=1000)]
    return TestClient(
        Starlette(routes=[Route("/gradio_api/upload", keep, methods=["POST"])], middleware=layers)
    )


def test_uploads_take_no_more_than_their_room_together(bounded, tmp_path):
    sizes = [600, 300, 200, 100]
    statuses = [bounded.post("/gradio_api/upload", content=bytes(size)).status_code for size in sizes]
    assert statuses == [200, 200, 413, 200]


def test_an_upload_without_a_length_is_stopped_on_its_way(bounded, tmp_path):
    pieces = (bytes(400) for _ in range(10))
    assert bounded.post("/gradio_api/upload", content=pieces).status_code == 413
    assert list(tmp_path.iterdir()) == []
