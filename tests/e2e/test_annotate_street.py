"""A street photo annotated in a real browser, wide and light, narrow and dark."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.garments import Garment
from core.images.decode import open_photo
from tests.browsing import expect, is_as_wide_as_the_window, show_in
from tests.core.store.rows import add_models
from tests.e2e.workbench import Workbench, gone_on, mark, photo_of, spot

pytestmark = pytest.mark.e2e

STREET = Path(os.environ.get("LAPEL_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "street"
PHOTOS = 5


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Iterator[Workbench]:
    """Street photos with their largest garments proposed, each a fifth too wide."""
    if not (STREET / "val.json").is_file():
        pytest.skip("the street photos are not here")
    document = json.loads((STREET / "val.json").read_text("utf-8"))
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    bench = Workbench(tmp_path_factory.mktemp("street"), photos=0)
    for image in document["images"][:PHOTOS]:
        row = bench.store.photos.add(
            open_photo(STREET / "photos" / Path(image["file_name"]).name), by="t"
        ).row
        assert row is not None
        own = [entry for entry in document["annotations"] if entry["image_id"] == image["id"]]
        found = []
        for entry in sorted(own, key=lambda entry: -entry["area"])[:3]:
            x, y, w, h = entry["bbox"]
            box = (
                max(0, x - w / 10),
                max(0, y - h / 10),
                min(row.width, x + w * 1.1),
                min(row.height, y + h * 1.1),
            )
            found.append(Garment(box, names[entry["category_id"]], 0.6))
        bench.store.predictions.save(row.id, add_models(bench.store.database), found, None)
    bench.store.queue.fill()
    bench.start()
    yield bench
    bench.kill()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_photo_is_annotated_with_a_tighter_box_a_tag_and_a_comment(bench, browser, width, scheme):
    person = f"of {width}"
    page = bench.visit(browser, person, width=width)
    bench.store.settings.put_own(person, "editor", {})
    page.reload()
    expect(page.locator(".canvas[data-seen]")).to_be_visible()
    show_in(page, scheme)
    photo = photo_of(page)
    page.keyboard.press("Tab")
    first = bench.store.predictions.get(photo).garments[0]
    page.keyboard.press("e")
    expect(page.get_by_text("Tightened", exact=True)).to_have_count(1)
    mark(page, "Saved")
    draft = bench.store.drafts.load(photo, person)
    assert draft is not None
    x0, y0, x1, y1 = draft.boxes[0].box_xyxy
    assert (x1 - x0) * (y1 - y0) < (first.box_xyxy[2] - first.box_xyxy[0]) * (
        first.box_xyxy[3] - first.box_xyxy[1]
    )

    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.mouse.move(*spot(page, 0.02, 0.02))
    page.mouse.down()
    page.mouse.move(*spot(page, 0.15, 0.12))
    page.mouse.up()
    mark(page, "Saved")
    page.get_by_role("radio", name="Tags and comments").click()
    page.get_by_label("Comment", exact=True).fill("The bag is cut off.")
    page.get_by_role("button", name="Add the comment").click()
    expect(page.get_by_text("1 comment")).to_be_visible()
    assert is_as_wide_as_the_window(page)

    page.locator(".canvas").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Submit")
    expect(dialog).to_contain_text("undecided")
    page.keyboard.press("x")
    gone_on(page, photo)
    latest = bench.store.annotations.latest(photo)
    assert latest is not None and [box.origin for box in latest.boxes] == ["model", "person"]
    assert [comment.by for comment in bench.store.photo_notes.comments(photo)] == [person]
    page.context.close()
