"""What a photo costs an annotator: presses and drags from the models' proposals to people's boxes.

Run with ``python -m benchmarks.annotating [--photos 20] [--data STREET/val.json] [--tighten 154]``; a table
goes to stderr, one line of JSON to stdout. A script does in headless Chromium what a careful annotator does:
it leaves proposals that lie well, adds what is missing, takes out what shows nothing, and mends places and
names. Each key, click and drag counts as one. A box lies well from an IoU of ``--iou`` with a person's on.
``--ask`` lets each submit ask about undecided proposals, the editor's default. ``--before`` uses only what
the editor had before corners of any box were dragged, the models' box was taken by a click, and number keys
drew: for an older checkout. ``--tighten`` says how boxes that are 5 to 25 % too wide on each side fit
people's, before and after they are tightened (E), on so many photos.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from benchmarks.editor import VIEWPORT, opened, workspace
from benchmarks.machine import describe_machine, machine_line
from benchmarks.page import CHROMIUM, FLAGS
from core.boxes import box_iou
from core.datasets.coco import read_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.images.decode import open_photo
from core.inference.labeler import Labeler
from core.inference.predictions import predict
from core.store import Store, sqlite_url
from core.taxonomy import categories_of_labels

PACKAGES = ("streamlit", "playwright", "numpy")
STREET = Path(__file__).parents[2] / "shared" / "data" / "street" / "val.json"
SAME_GARMENT_IOU = 0.4
SLACK = 0.06  # a side that is so near, in parts of the box, is left where it is
LOOSE = (0.05, 0.25)
NUMBER_KEYS = 9
BOXES = """root => [...root.querySelectorAll('.groups > [data-uid]')].map((group) => {
  const [x, y] = group.getAttribute('transform').match(/-?[\\d.]+/g).map(Number);
  const rect = group.children[1];
  const [wide, high] = ['width', 'height'].map((side) => Number(rect.getAttribute(side)));
  return [group.dataset.uid, x, y, x + wide, y + high];
})"""


@dataclass
class Hand:
    """The annotator's hand: does, and counts."""

    page: Page
    width: int
    presses: int = 0
    drags: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def _press(self, kind: str) -> None:
        self.presses += 1
        self._count(kind)

    def _count(self, kind: str) -> None:
        self.kinds[kind] += 1

    def key(self, key: str, kind: str) -> None:
        self.page.keyboard.press(key)
        self._press(kind)

    def click(self, selector: str, kind: str) -> None:
        self.page.locator(selector).click()
        self._press(kind)

    def click_at(self, x: float, y: float, kind: str) -> None:
        self.page.mouse.click(*self._on_screen(x, y))
        self._press(kind)

    def drag(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> None:
        mouse = self.page.mouse
        a, b = self._on_screen(*start), self._on_screen(*end)
        mouse.move(*a)
        mouse.down()
        mouse.move((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        mouse.move(*b)
        mouse.up()
        self.drags += 1
        self._count(kind)

    def _on_screen(self, x: float, y: float) -> tuple[float, float]:
        rect = self.page.locator(".canvas .photo").bounding_box()
        assert rect is not None
        scale = rect["width"] / self.width
        return rect["x"] + x * scale, rect["y"] + y * scale

    def boxes(self) -> dict[str, np.ndarray]:
        """The boxes on the photo by uid."""
        found = self.page.locator(".lapel-editor").evaluate(BOXES)
        return {uid: np.array(corners, dtype=float) for uid, *corners in found}

    def chosen(self) -> str | None:
        """The uid of the chosen box."""
        found = self.page.locator(".groups .chosen")
        return found.get_attribute("data-uid") if found.count() else None

    def name_of(self, uid: str) -> str:
        return str(self.page.locator(f'.rows li[data-uid="{uid}"] .name').inner_text())


class Annotator:
    """Brings the open photo to the boxes of a person."""

    def __init__(self, hand: Hand, good_iou: float, categories: list[str], before: bool) -> None:
        self.hand, self.good, self.categories, self.before = hand, good_iou, categories, before

    def annotate(self, wanted: list[tuple[np.ndarray, str]]) -> None:
        """From the proposals to ``wanted``, boxes with their categories' names."""
        hand, boxes = self.hand, self.hand.boxes()
        names = {uid: hand.name_of(uid) for uid in boxes}
        pairs = _pairs(boxes, names, wanted)
        for index, (box, name) in enumerate(wanted):
            if index not in pairs.values():
                self.add(box, name)
        for uid in set(boxes) - set(pairs):
            hand.click(f'.rows li[data-uid="{uid}"] .mini:last-child', "take out")
        for uid, index in pairs.items():
            box, name = wanted[index]
            if names[uid] != name:
                self.choose(uid)
                self.rename(name)
            self.place(uid, box)

    def choose(self, uid: str) -> None:
        self.hand.click(f'.rows li[data-uid="{uid}"] .row', "choose")

    def place(self, uid: str, wanted: np.ndarray) -> None:
        """Drag the corners whose sides are off, where the box does not lie well."""
        hand, size = self.hand, np.maximum(wanted[2:] - wanted[:2], 1)
        now = hand.boxes()[uid]
        for first, corner in ((0, "upper left"), (2, "lower right")):
            off = (np.abs(now - wanted)[first : first + 2] > SLACK * size).any()
            if iou(now, wanted) >= self.good or not off:
                continue
            if self.before and hand.chosen() != uid:
                self.choose(uid)
            start, end = now[first : first + 2], wanted[first : first + 2]
            hand.drag((start[0], start[1]), (end[0], end[1]), f"drag the {corner} corner")
            if (hand.boxes()[uid] == now).all():  # another box's corner lies there
                hand.key("Control+z", "undo")
                self.choose(uid)
                hand.drag((start[0], start[1]), (end[0], end[1]), f"drag the {corner} corner")
            now = hand.boxes()[uid]

    def rename(self, name: str) -> None:
        """By the number of a label of that category; else by letters, of which the first opens the finder."""
        labels = self.hand.page.locator(".chosen .choices .choice .text").all_inner_texts()
        numbers = [
            at for at, label in enumerate(labels, 1) if categories_of_labels().get(label, ("",))[0] == name
        ]
        if numbers:
            self.hand.key(str(numbers[0]), "label")
        else:
            self.hand.key(name[0], "name")
            self.find(name, name[1:])

    def find(self, name: str, letters: str) -> None:
        finder = self.hand.page.locator(".finder")
        finder.wait_for()
        for letter in letters:
            if self.found() == name:
                break
            self.hand.key(letter, "name")
        self.hand.key("Enter", "name")
        finder.wait_for(state="hidden")

    def found(self) -> str:
        first = self.hand.page.locator(".finder .found li").first.locator("span").nth(1)
        return str(first.inner_text()) if first.count() else ""

    def add(self, box: np.ndarray, name: str) -> None:
        """Take the models' box by a click where that is the garment, else draw."""
        hand = self.hand
        asks = hand.page.locator(".choices[aria-label='Labels of the chosen box']")
        if asks.is_visible() and not self.before:
            hand.key("Escape", "choose nothing")
        if not self.before and self.take(box, name):
            return
        number = self.categories.index(name) + 1
        if number <= NUMBER_KEYS and not self.before:
            hand.key(str(number), "number")
            hand.drag((box[0], box[1]), (box[2], box[3]), "draw")
        else:
            hand.page.keyboard.down("Shift")  # a drag draws wherever it begins
            hand.drag((box[0], box[1]), (box[2], box[3]), "draw")
            hand.page.keyboard.up("Shift")
            self.find(name, name)

    def take(self, box: np.ndarray, name: str) -> bool:
        """Whether a click took the models' box, which is tried where they see the garment well."""
        if self.seen(box) is None:
            return False
        x, y = (box[:2] + box[2:]) / 2
        before = set(self.hand.boxes())
        self.hand.key("n", "take")
        self.hand.click_at(x, y, "take")
        added = set(self.hand.boxes()) - before
        if not added:
            self.hand.key("Escape", "take")
            return False
        (uid,) = added
        if self.hand.name_of(uid) != name:
            self.rename(name)
        self.place(uid, box)
        return True

    seen: Any = staticmethod(lambda box: None)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float(box_iou(one[None], other[None])[0, 0])


def _pairs(
    boxes: dict[str, np.ndarray], names: dict[str, str], wanted: list[tuple[np.ndarray, str]]
) -> dict[str, int]:
    """Which proposal is whose garment: the same name counts before a better place."""
    ranked = sorted(
        (
            (names[uid] == name, iou(box, wanted_box), uid, index)
            for uid, box in boxes.items()
            for index, (wanted_box, name) in enumerate(wanted)
            if iou(box, wanted_box) >= SAME_GARMENT_IOU
        ),
        reverse=True,
    )
    found: dict[str, int] = {}
    for _, _, uid, index in ranked:
        if uid not in found and index not in found.values():
            found[uid] = index
    return found


def fill(
    folder: Path, dataset: DetectionDataset, chosen: list[BoxedPhoto], ask: bool
) -> dict[int, BoxedPhoto]:
    """A store in the folder with these photos and the shipped models' predictions; by the photos' numbers."""
    store = Store.open(sqlite_url(folder), folder)
    store.models.register_shipped()
    labeler, of_id = Labeler.load(), {}
    assert dataset.folder is not None
    for photo in chosen:
        row = store.photos.add(open_photo(dataset.folder / photo.file_name), by="benchmark").row
        assert row is not None
        predict(store, labeler, row.id)
        of_id[row.id] = photo
    store.queue.fill()
    store.settings.put("second_share", 0.0)
    if not ask:
        store.settings.put_own("benchmark", "editor", {"undecided": "accept"})
    store.close()
    return of_id


def candidates_of(folder: Path, photo_id: int, good: float) -> Any:
    """What the click takes, as a function of the garment's box: None where the models do not see it well."""
    store = Store.open(sqlite_url(folder), folder)
    prediction = store.predictions.get(photo_id)
    store.close()
    boxes = [np.array(garment.box_xyxy) for garment in prediction.garments] if prediction else []

    def seen(box: np.ndarray) -> np.ndarray | None:
        middle = (box[:2] + box[2:]) / 2
        around = [b for b in boxes if (b[:2] <= middle).all() and (middle <= b[2:]).all()]
        return next((b for b in around if iou(b, box) >= good), None)

    return seen


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Presses and drags of each photo, and how well the submitted boxes fit."""
    dataset = read_coco(options.data)
    step = max(1, len(dataset.photos) // options.photos)
    chosen = list(dataset.photos[::step][: options.photos])
    counts: list[tuple[int, int]] = []
    kinds: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        of_id = fill(folder, dataset, chosen, options.ask)
        store = Store.open(sqlite_url(folder), folder)
        names = [category.name for category in store.categories.all()]
        store.close()
        with workspace(folder) as (address, _), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            page = opened(browser.new_page(viewport=VIEWPORT), address)
            for _ in chosen:
                page.locator(".canvas[data-seen]").wait_for()
                photo_id = int(page.url.rpartition("photo=")[2].partition("&")[0])
                photo = of_id[photo_id]
                hand = Hand(page, photo.width)
                annotator = Annotator(hand, options.iou, names, options.before)
                annotator.seen = candidates_of(folder, photo_id, options.iou)
                wanted = [
                    (np.asarray(box, dtype=float), dataset.categories[category])
                    for box, category in zip(photo.boxes_xyxy, photo.category_ids, strict=True)
                ]
                annotator.annotate(wanted)
                hand.key("Control+Enter" if options.before else "Enter", "submit")
                page.wait_for_timeout(300)
                if page.locator("dialog.ask[open]").count():
                    hand.key("Enter", "submit")
                page.wait_for_function("id => !location.search.includes(`photo=${id}`)", arg=photo_id)
                page.wait_for_timeout(500)
                counts.append((hand.presses, hand.drags))
                kinds.update(hand.kinds)
                print(f"{photo.file_name}: {hand.presses} presses, {hand.drags} drags", file=sys.stderr)
            browser.close()
        fits = _fits(folder, of_id, dataset, options.iou)
    total, (presses, drags) = np.sum(counts, axis=1), np.mean(counts, axis=0)
    return {
        "photos": len(counts),
        "presses": round(float(presses), 2),
        "drags": round(float(drags), 2),
        "a_photo": round(float(total.mean()), 2),
        "median": float(np.median(total)),
        "least": int(total.min()),
        "most": int(total.max()),
        "boxes_that_fit": round(fits, 3),
        "kinds": {kind: round(count / len(counts), 2) for kind, count in sorted(kinds.items())},
    }


def _fits(folder: Path, of_id: dict[int, BoxedPhoto], dataset: DetectionDataset, good: float) -> float:
    """The part of people's boxes that the submitted annotation has, with its category, at this IoU."""
    store = Store.open(sqlite_url(folder), folder)
    names, hits, total = store.categories.by_id(), 0, 0
    for photo_id, photo in of_id.items():
        latest = store.annotations.latest(photo_id)
        for box, category in zip(photo.boxes_xyxy, photo.category_ids, strict=True):
            total += 1
            hits += latest is not None and any(
                names[found.category_id].name == dataset.categories[category]
                and iou(np.array(found.box_xyxy), np.asarray(box, dtype=float)) >= good
                for found in latest.boxes
            )
    store.close()
    return hits / max(total, 1)


def measure_tightening(data: Path, photos: int) -> dict[str, float]:
    """Mean IoU with people's boxes of boxes that are too wide, before and after they are tightened."""
    from core.images.foreground import tighten_box

    dataset, random, before, after = read_coco(data), np.random.default_rng(0), [], []
    assert dataset.folder is not None
    for photo in dataset.photos[:photos]:
        image = open_photo(dataset.folder / photo.file_name).image
        for box in np.asarray(photo.boxes_xyxy, dtype=float):
            wide, high = box[2:] - box[:2]
            left, upper, right, lower = random.uniform(*LOOSE, 4) * (wide, high, wide, high)
            loose = np.array([box[0] - left, box[1] - upper, box[2] + right, box[3] + lower])
            loose = np.clip(loose, 0, [photo.width, photo.height] * 2)
            found = tighten_box(image, tuple(loose.tolist()))
            before.append(iou(loose, box))
            after.append(iou(loose if found is None else np.array(found), box))
    return {
        "boxes": len(before),
        "loose_iou": round(float(np.mean(before)), 3),
        "tightened_iou": round(float(np.mean(after)), 3),
    }


def main() -> None:
    """Measure, and print."""
    from benchmarks.__main__ import figures

    parser = argparse.ArgumentParser(description="Count presses and drags of annotating street photos.")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--data", type=Path, default=STREET, help="a COCO file with people's boxes")
    parser.add_argument("--iou", type=float, default=0.75, help="from which a box lies well")
    parser.add_argument("--ask", action="store_true", help="have submits ask about undecided proposals")
    parser.add_argument("--before", action="store_true", help="without what the editor learned since")
    parser.add_argument("--tighten", type=int, default=0, help="photos whose loosened boxes are tightened")
    options = parser.parse_args()
    if not options.data.is_file():
        sys.exit(f"expected a COCO file with people's boxes, there is no {options.data}")
    found: dict[str, Any] = {"annotating": measure(options)} if options.photos else {}
    if options.tighten:
        found["tighten"] = measure_tightening(options.data, options.tighten)
    print(machine_line(PACKAGES), file=sys.stderr)
    for name, value in figures(found):
        print(f"{name:52}{value:>10,}", file=sys.stderr)
    print(json.dumps({"benchmark": "annotating", "machine": describe_machine(PACKAGES)} | found))


if __name__ == "__main__":
    main()
