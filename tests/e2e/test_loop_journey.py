"""The loop in a real browser: import, correct, retrain, watch, compare, promote, label refresh, roll back."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.store import Store, sqlite_url
from core.store.imports import FOLDERS_VARIABLE
from core.taxonomy import load_taxonomy
from tests.browsing import WAIT_MS, expect, press, settled
from tests.e2e.workbench import ROOT, gone_on, mark, photo_of
from tests.ports import free_port, wait_until_open
from tests.waiting import until
from tools.synthetic import draw_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TINY = """
import sys
from dataclasses import replace
from pathlib import Path
from core.models import cards
cards.WEIGHTS_FOLDER = Path({weights!r})
"""
QUICK = """
from core.training.finetune import recipes
usual = recipes.FINETUNE_RECIPES["detector", "quick"]
recipe = replace(usual.recipe, batch=4, mosaic=0.0, validate_every=1)
quick = replace(usual, recipe=recipe, sample_budget=60, fewest_epochs=3)
recipes.FINETUNE_RECIPES = {("detector", "quick"): quick}
"""
STEPS = """
from core.jobs.step_process import main
main(sys.argv[1:])
"""
WORKER = """
from core import __main__ as commands
from core.jobs import step_process
step_process.COMMAND = (sys.executable, "-c", {steps!r})
sys.argv = ["core", "worker", "--attached"]
commands.app()
"""
WORKSPACE = """
from app import __main__ as launcher
from app.worker_process import WORKERS, WorkerProcess
WORKERS.build = lambda project: WorkerProcess((sys.executable, "-c", {worker!r}))
launcher.main(["--port", {port!r}, "--data", {data!r}, "--no-browser"])
"""
ANNOTATED = 24
LOOSE = (1, 4)
"""Seeds of scenes that do not fall into the holdout."""
SIZE_WH = (150, 200)


@pytest.fixture(scope="module")
def shoot(tmp_path_factory) -> Path:
    """A folder with drawn garments and a COCO file of their boxes, and loose photos beside it."""
    home = tmp_path_factory.mktemp("shoot")
    (home / "set" / "photos").mkdir(parents=True)
    names = list(load_taxonomy("street13").categories)
    images, boxes = [], []
    for number in range(1, ANNOTATED + 1):
        scene = draw_scene(100 + number, SIZE_WH, "person")
        file = f"{number:02d}.jpg"
        scene.image.save(home / "set" / "photos" / file, quality=92)
        images.append({"id": number, "file_name": file, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        for (x0, y0, x1, y1), category in zip(scene.boxes_xyxy.tolist(), scene.categories, strict=True):
            entry = {"id": len(boxes) + 1, "image_id": number, "category_id": 1 + names.index(category)}
            boxes.append(entry | {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0)})
    categories = [{"id": place, "name": name} for place, name in enumerate(names, start=1)]
    document = {"images": images, "annotations": boxes, "categories": categories}
    (home / "set" / "set.json").write_text(json.dumps(document))
    for seed in LOOSE:
        draw_scene(seed, (180, 240)).image.save(home / f"loose {seed}.png")
    return home


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(data: Path, shoot: Path, light_weights: Path) -> Iterator[str]:
    """A workspace with a worker of its own; tiny weights ship, and a quick training is quicker still."""
    port, tiny = free_port(), TINY.format(weights=str(light_weights))
    worker = tiny + WORKER.format(steps=tiny + QUICK + STEPS)
    program = WORKSPACE.format(worker=worker, port=str(port), data=str(data))
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    settings |= {FOLDERS_VARIABLE: str(shoot), "LAPEL_ENGINE": "onnxruntime"}
    with (
        (data / "log.txt").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", tiny + program], cwd=ROOT, env=settings, stdout=log, stderr=log
        ) as server,
    ):
        wait_until_open(port, server, WAIT_MS / 1000)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=120)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The workspace as Ada opens it; whatever breaks in the browser fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    opened, broken = context.new_page(), list[str]()
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.goto(f"{address}/data?as=Ada&data=Bring+in")
    yield opened
    context.close()
    assert broken == []


def go_to(page: Page, name: str, there: Locator) -> None:
    """Follow the menu to the page that shows ``there``."""
    press(page.get_by_role("link", name=name, exact=True), there)


def bring_in(page: Page, shoot: Path) -> None:
    """The annotated folder, then the loose photos, which go into the queue."""
    path = page.get_by_role("textbox", name=re.compile("Path on the machine"))
    path.fill(str(shoot / "set"))
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text(f"{ANNOTATED} photos imported with annotations")).to_be_visible()
    settled(page)
    page.locator("input[type=file]").set_input_files(sorted(shoot.glob("loose*.png")))
    expect(page.get_by_text("2 photos imported.")).to_be_visible()


def correct(page: Page) -> int:
    """Draw a missed garment on a photo of the queue, name it and submit, by keyboard; gives the photo."""
    go_to(page, "Annotate", page.locator(".canvas"))
    photo = photo_of(page)
    for key in ("d", "d"):  # a box in the middle; the search for its category opens
        page.keyboard.press(key)
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("dress")
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+A")  # what the models propose beside it
    mark(page, "Saved")
    page.keyboard.press("Enter")
    gone_on(page, photo)
    return photo


def retrain(page: Page) -> None:
    """Freeze, start, watch until the candidate is there."""
    create = page.get_by_role("button", name="Create revision")
    go_to(page, "Train", create)
    press(create, page.get_by_text(re.compile(f"Revision 1 holds {ANNOTATED + 1} photos")))
    settled(page)
    press(
        page.get_by_role("button", name="Fine-tune the detector"), page.get_by_role("button", name="Cancel")
    )
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect(page.get_by_test_id("stAlert").filter(has_text="Candidate:")).to_be_visible()
    expect(page.get_by_text("Validation mAP50")).to_be_visible()


def label(page: Page, photo: Path) -> str:
    """Drop a photo on the preview; gives what labeled it."""
    go_to(page, "Label photos", page.get_by_role("heading", name="Label clothing photos"))
    page.locator("input[type=file]").first.set_input_files(photo)
    said = page.get_by_text(re.compile("Labeled by "))
    expect(said).to_be_visible()
    return said.inner_text()


@pytest.mark.usefixtures("tiny_ships")  # this process opens the store as well
def test_a_correction_becomes_a_model_that_serves_and_goes_again(page: Page, shoot: Path, data: Path):
    bring_in(page, shoot)
    photo = correct(page)
    store = Store.open(sqlite_url(data), data)
    until(lambda: store.annotations.latest(photo) is not None)
    retrain(page)
    latest = store.annotations.latest(photo)
    assert latest is not None and latest.author == "Ada"
    dress = next(category.id for category in store.categories.all() if category.name == "dress")
    assert dress in {box.category_id for box in latest.boxes if box.origin == "person"}
    first, candidate = store.models.champion("detector"), store.models.all("detector")[0]
    assert candidate.revision == 1 and candidate.parent_id == first.id

    # Compare: measured by the worker already; a holdout of a few photos cannot tell.
    refuses = page.get_by_text("The gate refuses: too few photos to tell.")
    press(page.get_by_role("link", name="Compare with the champion"), refuses)
    expect(page.get_by_role("button", name="Promote", exact=True)).to_be_disabled()
    reason = page.get_by_role("textbox", name="Reason to promote it anyway")
    press(page.get_by_text("Overrule the gate"), reason)
    reason.fill("a journey, not a shop")
    settled(page)
    serves = page.get_by_test_id("stAlert").filter(has_text="serves now")
    press(page.get_by_role("button", name="Promote against the gate"), serves)
    assert store.models.champion("detector").id == candidate.id

    # The preview labels with it at once; one press and it is the former again.
    assert candidate.name in label(page, next(iter(sorted(shoot.glob("loose*.png")))))
    back, confirm = (page.get_by_role("button", name=name) for name in ("Roll back", "Confirm rollback"))
    go_to(page, "Models", back)
    press(back, confirm)
    press(confirm, page.get_by_test_id("stAlert").filter(has_text="serves again"))
    assert store.models.champion("detector").id == first.id
    actions = [change.action for change in store.promotions.history("detector")]
    assert actions == ["rollback", "overrule", "first"]
    store.close()
