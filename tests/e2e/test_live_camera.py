"""The live camera and the video page in a real browser: a drawn clip is the camera, with boxes over it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browsing import WAIT_MS, expect
from tests.conftest import CHROMIUM_ARGUMENTS
from tests.e2e.serving import demo
from tests.moving import moving_picture, write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("gradio")
pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PASSWORD = "corduroy"
LABELER = "tests.moving:moving_labeler"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a demo with two cores of its own: a cache of its own has no other processes' marks."""
    yield from demo(LABELER, OMP_NUM_THREADS="2", LAPEL_CACHE=str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def closed_address() -> Iterator[str]:
    yield from demo(LABELER, LAPEL_DEMO_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def camera_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera sees: Motion JPEG, as Chromium's fake camera plays it, over and over."""
    path = tmp_path_factory.mktemp("camera") / "walk.mjpeg"
    with path.open("wb") as file:
        for number in range(30):
            moving_picture(number).save(file, "JPEG", quality=92)
    return path


def started(browser: Browser, chromium: str, *arguments: str) -> Browser:
    """A Chromium of its own beside the shared one, with a fake camera, which is chosen at its start."""
    fake = ("--use-fake-device-for-media-stream", *arguments)
    return browser.browser_type.launch(executable_path=chromium, args=[*CHROMIUM_ARGUMENTS, *fake])


@pytest.fixture(scope="module")
def with_camera(browser: Browser, chromium: str, camera_clip: Path) -> Iterator[Browser]:
    opened = started(
        browser,
        chromium,
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_clip}",
    )
    yield opened
    opened.close()


def page_of(browser: Browser, width: int = 1280, height: int = 900) -> Page:
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.faults = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.faults.append(str(error)))  # type: ignore[attr-defined]
    return page


DRAWN = """() => {
    const canvas = document.getElementById("overlay");
    if (!canvas.width) return 0;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return data.filter((value, n) => n % 4 === 3 && value).length;
}"""


def test_garments_are_boxed_and_named_as_they_move(with_camera: Browser, address: str) -> None:
    page = page_of(with_camera)
    foreign: list[str] = []
    page.on(
        "request", lambda r: None if r.url.startswith((address, "data:", "blob:")) else foreign.append(r.url)
    )
    page.goto(f"{address}/live")
    expect(page.locator("#sentence")).to_have_text("The camera is off.")
    page.locator("#start").click()
    expect(page.locator("#rate")).to_contain_text(re.compile(r"frames a second · \d+ ms"), timeout=WAIT_MS)
    garments = page.locator("#garments li")
    expect(garments).to_have_count(2)
    expect(garments.first).to_contain_text(re.compile(r"(Shirt|Jeans) \d+ (top|pants)"))
    page.wait_for_function(DRAWN)
    expect(page.locator("#message")).to_be_hidden()

    page.locator("#threshold").fill("0.95")
    expect(page.locator("#none")).to_be_visible()
    expect(page.locator("#shown-threshold")).to_have_text("95 %")
    page.locator("#threshold").fill("0.2")
    expect(garments).to_have_count(2)

    page.locator("#stop").click()
    expect(page.locator("#sentence")).to_have_text("The camera is off.")
    expect(garments).to_have_count(0)
    assert page.evaluate(DRAWN) == 0
    assert page.evaluate("document.querySelector('video').srcObject") is None
    page.locator("#start").click()
    expect(garments).to_have_count(2)
    assert not foreign and not page.faults  # type: ignore[attr-defined]
    page.context.close()


SLOW_ANSWERS = """
const asked = window.fetch;
let now = 0;
window.most = window.frames_sent = window.sessions = 0;
window.fetch = async (address, options) => {
    const isFrame = String(address).includes("/frames");
    window.sessions += !isFrame;
    window.frames_sent += isFrame;
    now += isFrame;
    window.most = Math.max(window.most, now);
    try {
        const answer = await asked(address, options);
        await new Promise((done) => setTimeout(done, 150));
        return answer;
    } finally {
        now -= isFrame;
    }
};
"""


def test_a_lone_camera_has_two_frames_on_their_way_in_one_session(with_camera: Browser, address: str) -> None:
    page = page_of(with_camera)
    page.add_init_script(SLOW_ANSWERS)
    page.goto(f"{address}/live")
    page.locator("#start").click()
    expect(page.locator("#garments li")).to_have_count(2)
    page.wait_for_function("() => window.frames_sent > 12 && window.most > 1")
    assert page.evaluate("[window.most, window.sessions]") == [2, 1]
    page.locator("#stop").click()
    expect(page.locator("#sentence")).to_have_text("The camera is off.")
    assert not page.faults  # type: ignore[attr-defined]
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_without_scrolling_sideways(
    with_camera: Browser, address: str, scheme: str
) -> None:
    page = page_of(with_camera, 390, 844)
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{address}/live")
    page.locator("#start").click()
    expect(page.locator("#garments li")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stage = page.locator("#stage").bounding_box()
    assert stage is not None and stage["width"] > 340
    for control in ("#stop", "#camera", "#threshold"):
        box = page.locator(control).bounding_box()
        assert box is not None and box["height"] >= 44, "a finger's width"
    page.context.close()


def test_a_fifth_camera_is_told_why_it_waits(with_camera: Browser, address: str) -> None:
    page = page_of(with_camera)
    page.goto(f"{address}/live")
    answers = [page.request.post(f"{address}/live/sessions") for _ in range(8)]
    page.locator("#start").click()
    expect(page.locator("#sentence")).to_contain_text("4 cameras are live already")
    expect(page.locator("#start")).to_be_visible()
    for answer in answers:
        page.request.post(f"{address}/live/sessions/{answer.json().get('session')}/end")
    page.context.close()


def test_a_camera_that_is_refused_or_not_there_says_what_to_do(
    browser: Browser, chromium: str, address: str
) -> None:
    allowed = "--use-fake-ui-for-media-stream"
    for arguments, sentence in (
        ([f"{allowed}=deny"], "The camera is blocked. Allow it for this page"),
        ([allowed, "--use-fake-device-for-media-stream=device-count=0"], "No camera was found."),
    ):
        opened = started(browser, chromium, *arguments)
        page = page_of(opened)
        page.goto(f"{address}/live")
        page.locator("#start").click()
        expect(page.locator("#sentence")).to_contain_text(sentence)
        expect(page.locator("#start")).to_be_visible()
        opened.close()


def test_a_page_that_is_not_secure_is_told_so(with_camera: Browser, address: str) -> None:
    page = page_of(with_camera)
    page.add_init_script(
        "Object.defineProperty(navigator, 'mediaDevices', {value: undefined});"
        "Object.defineProperty(window, 'isSecureContext', {value: false});"
    )
    page.goto(f"{address}/live")
    page.locator("#start").click()
    expect(page.locator("#sentence")).to_contain_text("open the demo over https")
    page.context.close()


def test_the_password_stands_before_the_camera(with_camera: Browser, closed_address: str) -> None:
    page = page_of(with_camera)
    page.goto(f"{closed_address}/live")
    page.get_by_label("username").fill("ada")
    page.get_by_label("password").fill(PASSWORD)
    assert page.request.post(f"{closed_address}/live/sessions").status == 401
    page.get_by_role("button", name="Login").click()
    page.locator("#photo input[type=file]").wait_for(state="attached")
    page.get_by_role("link", name="Live camera").click()
    page.locator("#start").click()
    expect(page.locator("#garments li")).to_have_count(2)
    page.context.close()


def test_a_video_file_is_played_with_its_garments(with_camera: Browser, address: str, tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    page = page_of(with_camera)
    page.goto(f"{address}/video")
    page.locator("#clip input[type=file]").wait_for(state="attached")
    page.set_input_files("#clip input[type=file]", write_clip(tmp_path / "walk.webm", count=30))
    expect(page.locator("#clip-summary")).to_contain_text("2 garments in 20 frames", timeout=WAIT_MS)
    page.wait_for_function("document.querySelector('#clip-annotated video')?.videoWidth === 320")
    expect(page.locator("#clip-table")).to_contain_text("Jeans")
    with page.expect_download() as download:
        page.locator("#clip-lines").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert len(text.splitlines()) == 20 and text.count('"track"') == 40

    (tmp_path / "broken.mp4").write_bytes(b"<html>")
    page.set_input_files("#clip input[type=file]", tmp_path / "broken.mp4")
    expect(page.get_by_text("Expected an MP4")).to_be_visible()
    page.context.close()
