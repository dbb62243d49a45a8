"""The page that fits anchors to one's own boxes."""

from __future__ import annotations

import json

import pytest

from tests.pages.workspace import texts, unopened


@pytest.fixture
def page(monkeypatch, tmp_path):
    app = unopened(monkeypatch, tmp_path)
    return app.switch_page("../pages/anchors.py").run()


def coco() -> bytes:
    sizes = [(40, 80), (60, 60), (20, 30), (90, 20)] * 5
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [0, 0, *size]}
        for number, size in enumerate(sizes, 1)
    ]
    photo = {"id": 1, "file_name": "a.jpg", "width": 416, "height": 416}
    return json.dumps(
        {"images": [photo], "categories": [{"id": 1, "name": "top"}], "annotations": annotations}
    ).encode()


def test_without_a_file_it_says_what_to_do(page):
    assert not page.exception
    assert "appear here once a file is chosen" in texts(page)


def test_boxes_give_anchors_a_comparison_and_a_download(page):
    page.number_input(key="clusters").set_value(4)
    page.file_uploader(key="coco").upload("train.json", coco())
    page.run()
    assert not page.exception
    assert [(metric.label, metric.value) for metric in page.metric[::2]] == [
        ("Mean best IoU, ours", "1.000"),
        ("Boxes", "20"),
    ]
    assert page.metric[0].delta.startswith("+0.")
    assert page.code[0].value == "20,30, 90,20, 40,80, 60,60"
    assert page.get("plotly_chart") and page.get("download_button")


def test_more_anchors_than_boxes_is_a_sentence(page):
    page.number_input(key="clusters").set_value(21)
    page.file_uploader(key="coco").upload("train.json", coco())
    page.run()
    assert not page.exception
    assert page.error[0].value == "21 anchors need at least 21 boxes, got 20"


def test_a_file_that_is_no_annotation_is_a_sentence(page):
    page.file_uploader(key="coco").upload("train.json", b"[1, 2")
    page.run()
    assert not page.exception
    assert len(page.error) == 1
