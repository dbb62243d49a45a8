"""Box sizes of what visitors bring, in any format; kept by digest."""

from __future__ import annotations

import io
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from app.anchors.sources import MOST_KEPT, BoxSizes, keep, read_boxes, read_uploads, recall
from core.errors import LapelError
from tests.pictures import jpeg

VOC = """<annotation><filename>a.jpg</filename><size><width>832</width><height>416</height></size>
<object><name>top</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>80</xmax><ymax>160</ymax></bndbox></object>
</annotation>"""


def coco(*boxes_wh: tuple[float, float], side: int = 832) -> bytes:
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [0, 0, width, height]}
        for number, (width, height) in enumerate(boxes_wh, 1)
    ]
    photo = {"id": 1, "file_name": "a.jpg", "width": side, "height": side}
    return json.dumps(
        {"images": [photo], "categories": [{"id": 1, "name": "top"}], "annotations": annotations}
    ).encode()


def zipped(**files: bytes | str) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return out.getvalue()


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "files",
    [
        [("a.json", coco((80, 160)))],
        [("a.xml", VOC.encode())],
        [("a.xml", VOC.encode()), ("b.txt", b"notes")],
        [("set.zip", zipped(set__a_json=coco((80, 160))))],
        [("set.zip", zipped(set__a_xml=VOC))],
    ],
    ids=["coco", "voc", "several files", "a zip of coco", "a zip of voc"],
)
def test_boxes_of_any_format_are_halved_from_832_to_416(files, tmp_path):
    found = read_uploads(files, tmp_path)
    np.testing.assert_allclose(found.boxes_wh, [[40, 80]], atol=0.51)
    assert found.name == (files[0][0] if len(files) == 1 else "2 files")


def test_a_zip_in_yolos_format_is_measured_by_its_photos(tmp_path):
    photo = jpeg(1)  # 90 x 120
    files = zipped(classes_txt="top\n", a_jpg=photo, a_txt="0 0.5 0.5 0.5 0.25\n")
    found = read_uploads([("yolo.zip", files)], tmp_path)
    assert found.boxes_wh.shape == (1, 2)
    width, height = found.boxes_wh[0]
    assert {round(width / height, 3)} <= {1.5, 2.667}  # by the photo's orientation


def test_the_order_of_the_boxes_makes_no_difference_to_the_digest(tmp_path):
    first = read_uploads([("a.json", coco((10, 20), (30, 5), (10, 7)))], tmp_path / "1")
    second = read_uploads([("b.json", coco((30, 5), (10, 7), (10, 20)))], tmp_path / "2")
    third = read_uploads([("b.json", coco((30, 5), (10, 7), (10, 21)))], tmp_path / "3")
    assert first.digest == second.digest != third.digest


def test_what_is_kept_is_found_again_by_its_digest(tmp_path):
    digest = keep(BoxSizes("a.json", np.array([[3.0, 4.0]]), ("one box was lost",)))
    found = recall(digest)
    assert found is not None
    assert (found.name, found.boxes_wh.tolist(), found.remarks) == ("a.json", [[3, 4]], ("one box was lost",))
    (tmp_path / "cache" / "anchors" / f"{'0' * 64}.npz").write_bytes(b"damaged")
    assert recall("0" * 64) is None
    for number in range(MOST_KEPT + 2):
        keep(BoxSizes("b", np.array([[1.0, 1.0 + number]])))
    assert len(list((tmp_path / "cache" / "anchors").glob("*.npz"))) == MOST_KEPT


@pytest.mark.parametrize("digest", ["", "0" * 64, "../../etc/passwd", "a" * 63 + "/", "0" * 65])
def test_no_other_file_is_opened(digest):
    assert recall(digest) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b"[1, 2"),
        ("a.json", b"{}"),
        ("a.json", coco()),
        ("a.txt", b"x"),
        ("a.zip", zipped(a_txt="x")),
    ],
)
def test_what_holds_no_boxes_is_refused_with_a_sentence_without_the_servers_paths(name, data, tmp_path):
    with pytest.raises(LapelError) as refused:
        read_uploads([(name, data)], tmp_path)
    assert str(tmp_path) not in str(refused.value) and name in str(refused.value)


def test_a_dataset_on_this_machine_is_read_where_it_lies(tmp_path: Path):
    (tmp_path / "train.json").write_bytes(coco((80, 160)))
    found = read_boxes(tmp_path / "train.json", tmp_path / "work")
    assert (found.name, found.boxes_wh.tolist()) == ("train.json", [[40, 80]])
