"""A lead's work on real photos: found by what is on them, mended in bulk, given away, shared as a link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.garments import Garment
from core.images.decode import open_photo
from core.inference.predictions import QUEUE_SETTING
from core.store.boxes import AnnotatedBox
from tests.browsing import WAIT_MS, expect, is_as_wide_as_the_window, press, settled
from tests.core.store.conftest import drawn
from tests.core.store.rows import add_models
from tests.e2e.workbench import Workbench

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
PHOTOS = 8


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, test_data: Path) -> Iterator[Workbench]:
    """Photos of the street with their boxes, all of whose skirts are called bags."""
    bench = Workbench(tmp_path_factory.mktemp("lead"), photos=0)
    document = json.loads((test_data / "street" / "val.json").read_text("utf-8"))
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    ids = bench.store.categories.ensure(names.values(), "tests")
    skirts = {one["image_id"] for one in document["annotations"] if names[one["category_id"]] == "skirt"}
    wanted = [image for image in document["images"] if image["id"] in skirts][:PHOTOS]
    for image in wanted:
        path = test_data / "street" / "photos" / image["file_name"]
        row = bench.store.photos.add(open_photo(path), by="tests").row
        assert row is not None
        boxes = []
        for one in (one for one in document["annotations"] if one["image_id"] == image["id"]):
            x, y, width, height = one["bbox"]
            name = names[one["category_id"]]
            category = ids["bag" if name == "skirt" else name]
            boxes.append(AnnotatedBox((x, y, x + width, y + height), category, origin="import"))
        given = {"author": "tests", "base_version": 0, "request": image["file_name"], "kind": "imported"}
        bench.store.annotations.submit(row.id, boxes, **given)
        embedding = np.random.default_rng(row.id).normal(size=8).astype(np.float32)
        bench.store.predictions.save(row.id, add_models(bench.store.database), [], embedding)
    bench.store.queue.fill()
    bench.start()
    yield bench
    bench.kill()
    bench.store.close()


def visit(browser: Browser, bench: Workbench, width: int, scheme: str, address: str = "") -> Page:
    expect.set_options(timeout=WAIT_MS)
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{bench.port}/data?as=Lea{address}")
    expect(tiles(page).first).to_be_visible()
    settled(page)
    return page


def tiles(page: Page) -> Locator:
    return page.locator(".lapel-tiles .tile")


def test_ten_wrong_ones_are_mended_at_a_glance_and_undone(browser: Browser, bench: Workbench) -> None:
    page = visit(browser, bench, 1280, "light", "&view=Crops&category=bag")
    wrong = tiles(page).count()
    assert wrong >= PHOTOS
    tiles(page).first.get_by_role("checkbox").click()
    tiles(page).last.get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.get_by_text(f"{wrong} boxes chosen")).to_be_visible()
    settled(page)
    form = page.get_by_role("button", name=f"Relabel {wrong} boxes")
    press(page.get_by_role("button", name="Relabel", exact=True), form)
    page.get_by_role("combobox", name="Category").last.fill("skirt")
    page.get_by_role("option", name="skirt", exact=True).click()
    settled(page)
    press(form, page.get_by_text("boxes on"))
    expect(page.get_by_text("Nothing passes the filter.")).to_be_visible()
    press(page.get_by_role("button", name="Undo"), tiles(page).first)
    expect(tiles(page)).to_have_count(wrong)
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_link_opens_what_was_found_and_photos_go_to_a_person(
    browser: Browser, bench: Workbench, width: int, scheme: str
) -> None:
    page = visit(browser, bench, width, scheme)
    name = tiles(page).first.locator(".name").inner_text()
    page.get_by_role("textbox", name="Name contains").fill(name)
    page.keyboard.press("Enter")
    expect(tiles(page)).to_have_count(1)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(tiles(page)).to_have_count(1)
    settled(page)
    shown = page.locator(".lapel-viewer .photo")
    press(tiles(page).get_by_role("button"), shown)
    expect(shown).to_have_js_property("complete", True)
    tiles(page).get_by_role("checkbox").click()
    expect(page.get_by_text("1 photo chosen")).to_be_visible()
    settled(page)
    give = page.get_by_role("button", name="Give 1 photo")
    press(page.get_by_role("button", name="Give to"), give)
    press(give, page.get_by_text("1 photo given to Lea."))
    assert is_as_wide_as_the_window(page)
    upcoming = bench.store.queue.upcoming("Lea")
    assert upcoming is not None and bench.store.photos.get(upcoming).name == name
    assert bench.store.queue.upcoming("Zoe") != upcoming
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_lasso_on_the_map_chooses_photos_that_are_then_found(
    browser: Browser, bench: Workbench, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{bench.port}/data?as=Lea&data=Map")
    plot = page.locator(".js-plotly-plot .draglayer .drag").first
    expect(page.locator(".js-plotly-plot .points path")).to_have_count(PHOTOS)
    settled(page)
    plot.scroll_into_view_if_needed()
    place = plot.bounding_box()
    assert place is not None
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02)]
    page.mouse.move(place["x"] + 0.01 * place["width"], place["y"] + 0.01 * place["height"])
    page.mouse.down()
    for x, y in corners:
        page.mouse.move(place["x"] + x * place["width"], place["y"] + y * place["height"], steps=5)
    page.mouse.up()
    expect(page.get_by_text(f"{PHOTOS} photos chosen")).to_be_visible()
    settled(page)
    assert is_as_wide_as_the_window(page)
    found = page.get_by_text(f"Only {PHOTOS} photos by number")
    press(page.get_by_role("button", name=f"Find {PHOTOS} photos in Photos"), found)
    expect(tiles(page)).to_have_count(PHOTOS)
    expect(page.get_by_text(f"{PHOTOS} photos chosen")).to_be_visible()
    page.context.close()


def test_predicted_boxes_are_relabeled_in_drafts_and_undone(browser: Browser, bench: Workbench) -> None:
    store, garment = bench.store, Garment((10.0, 10.0, 40.0, 60.0), "skirt", 0.9, (("Skirt", 0.9),))
    row = store.photos.add(drawn(3, name="new.jpg"), by="tests").row
    assert row is not None
    models = add_models(store.database)
    store.predictions.save(row.id, models, [garment], None)
    store.settings.remember(QUEUE_SETTING, models.as_list())
    page = visit(browser, bench, 1280, "light", "&view=Crops&boxes=predicted&q=new")
    tiles(page).get_by_role("checkbox").click()
    form = page.get_by_role("button", name="Relabel 1 box")
    press(page.get_by_role("button", name="Relabel", exact=True), form)
    page.get_by_role("combobox", name="Category").last.fill("shorts")
    page.get_by_role("option", name="shorts", exact=True).click()
    settled(page)
    press(form, page.get_by_text("1 box on 1 photo relabeled in your drafts"))
    draft, names = store.drafts.load(row.id, "Lea"), store.categories.by_id()
    assert draft is not None and [(names[b.category_id].name, b.accepted) for b in draft.boxes] == [
        ("shorts", True)
    ]
    press(page.get_by_role("button", name="Undo"), page.get_by_text("The drafts of 1 photo are as before."))
    assert store.drafts.load(row.id, "Lea") is None
    page.context.close()
