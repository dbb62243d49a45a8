"""The page Anchors: boxes of a revision or of files, the studies, files to take away, the address."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import numpy as np
import pytest

from app.anchors.page import study_key, study_runner
from app.anchors.sources import BoxSizes, keep, recall
from app.train.start import asked_anchors
from core.store import Store
from tests.app.annotating import box, filled_store
from tests.pages.workspace import texts, unopened
from tests.waiting import until


@pytest.fixture
def visit(monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))

    def visited(**parameters: object):
        app = unopened(monkeypatch, tmp_path)
        for name, value in parameters.items():
            app.query_params[name] = str(value)
        page = app.switch_page("../pages/anchors.py").run()
        assert not page.exception
        return page

    return visited


def coco(sizes=((40, 80), (60, 60), (20, 30), (90, 20)) * 5) -> bytes:
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [0, 0, *size]}
        for number, size in enumerate(sizes, 1)
    ]
    photo = {"id": 1, "file_name": "a.jpg", "width": 416, "height": 416}
    return json.dumps(
        {"images": [photo], "categories": [{"id": 1, "name": "top"}], "annotations": annotations}
    ).encode()


def kept() -> str:
    """Boxes that somebody brought before."""
    sizes = np.array([(40.0, 80), (60, 60), (20, 30), (90, 20)] * 5)
    return keep(BoxSizes("train.json", sizes[np.lexsort(sizes.T)]))


def with_revision(folder) -> Store:
    store = filled_store(folder)
    for row in store.photos.page(0, 10):
        boxes = [box(5), box(20)]
        store.annotations.submit(row.id, boxes, author="anna", base_version=0, request=f"{row.id}")
    store.revisions.create("anna")
    return store


def computed(page, study: str, clusters: int = 4):
    """The page once its study has ended."""
    found = recall(page.query_params["boxes"])
    key = study_key(study, found.digest, clusters, 0)
    until(lambda: not study_runner().get(key).is_going)
    page.run()
    assert not page.exception and not page.error
    return page


def test_an_empty_workspace_says_what_to_do(visit):
    page = visit()
    assert "once files are dropped or a path is read" in texts(page)
    page.segmented_control(key="anchors-from").set_value("revision").run()
    assert "There is no revision yet" in texts(page)


def test_files_give_anchors_a_comparison_and_downloads(visit):
    page = visit()
    page.file_uploader[0].upload("train.json", coco())
    page.run()
    page.number_input(key="anchors-clusters").set_value(4).run()
    assert not page.exception and not page.error
    assert [(metric.label, metric.value) for metric in page.metric[::2]] == [
        ("Mean best IoU, ours", "1.000"),
        ("Boxes", "20"),
    ]
    assert page.metric[0].delta.startswith("+0.")
    assert page.code[0].value == "20,30, 90,20, 40,80, 60,60"
    assert [button.label for button in page.get("download_button")] == ["JSON", "YAML", "Darknet"]
    assert "20 boxes of train" in texts(page) and "choose 9 to train" in texts(page)
    assert recall(page.query_params["boxes"]) is not None


def test_nine_anchors_come_with_the_command_that_trains_with_them(visit):
    page = visit(**{"from": "files", "boxes": kept(), "size": 320})
    assert page.code[1].value.endswith("--size 320 --anchors anchors.json")
    link = next(link for link in page.get("page_link") if "these anchors" in link.proto.label)
    asked = parse_qs(link.proto.query_string)["anchors"][0]
    shares = asked_anchors(asked)
    assert shares is not None
    pixels = [f"{320 * width:.0f},{320 * height:.0f}" for width, height in shares]
    assert ", ".join(pixels) == page.code[0].value


def test_a_revision_is_fitted_without_its_holdout(visit, tmp_path):
    store = with_revision(tmp_path)
    boxes_wh = store.revisions.box_sizes(1, 120)
    assert len(boxes_wh) == 2 * sum(not row.holdout for row in store.photos.page(0, 10))
    assert np.allclose(boxes_wh, [30, 40])  # photos of 90 x 120
    page = visit(clusters=2, size=416)
    assert page.metric[2].value == str(len(boxes_wh))
    assert page.code[0].value == "104,139, 104,139"


def test_the_address_opens_the_same_view(visit):
    page = visit(**{"from": "files", "boxes": kept(), "clusters": 3, "part": "scales", "seed": 7})
    assert (
        page.number_input(key="anchors-clusters").value == 3
        and page.number_input(key="anchors-seed").value == 7
    )
    assert page.segmented_control(key="anchors-part").value == "scales"
    assert page.dataframe[0].value["Stride"].tolist() == [8, 16, 32]
    page.number_input(key="anchors-clusters").set_value(4).run()
    assert "choose a multiple of 3, not 4" in texts(page)
    assert (page.query_params["clusters"], page.query_params["part"]) == ("4", "scales")


@pytest.mark.parametrize(
    ("study", "columns", "rows"),
    [("clusters", "Number", 16), ("seedings", "Standard deviation", 6), ("refinement", "Mutations kept", 4)],
)
def test_a_study_is_computed_in_the_background_and_shown(visit, study, columns, rows):
    page = visit(**{"from": "files", "boxes": kept(), "clusters": 4, "part": study})
    page = computed(page, study)
    table = page.dataframe[0].value
    assert columns in table.columns and len(table) == rows
    assert page.code[0].value == "20,30, 90,20, 40,80, 60,60"


def test_a_link_to_boxes_that_are_gone_says_so(visit):
    page = visit(**{"from": "files", "boxes": "0" * 64})
    assert "no longer kept here" in texts(page)


def test_more_anchors_than_boxes_and_files_without_boxes_are_sentences(visit):
    page = visit(**{"from": "files", "boxes": kept(), "clusters": 21})
    assert "21 anchors need at least 21 boxes" in texts(page).replace("\\", "")
    page = visit(**{"from": "files"})
    page.file_uploader[0].upload("train.json", b"[1, 2")
    page.run()
    assert not page.exception and len(page.error) == 1
