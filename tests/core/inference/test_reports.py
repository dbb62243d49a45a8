"""Reports on datasets and revisions with tiny models: categories of both sides, what is left out, keys."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DatasetError, NotFoundError
from core.inference.report_data import ALL, HOLDOUT, ReportData, data_of_file, data_of_revision
from core.inference.reports import ReportModel, keep_report, kept_report, make_report, report_key
from core.store.boxes import AnnotatedBox
from tests.weights import LABELS, drawn_photo, save_detector
from tools.synthetic import draw_dataset, draw_scene


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 4, size_wh=(96, 128))
    return folder / "train.json"


@pytest.fixture(scope="module")
def detector(tiny_weights) -> ReportModel:
    return ReportModel.of_file(tiny_weights / "detector.safetensors")


def test_a_detector_on_a_file_with_progress(detector, drawn):
    told = []
    data = data_of_file(drawn, "detector")
    report = make_report(detector, data, progress=lambda *now: told.append(now), n_bootstrap=3)
    assert told[0] == (0, 4) and told[-1] == (4, 4)
    assert report["photos_measured"] == 4 and report["data"]["left_out"] == 0
    assert report["model"]["name"] == "tiny detector" and len(report["model"]["digest"]) == 64
    assert report["made"]["engine"] == "pytorch" and report["unknown_categories"] == []
    assert report["data"]["name"].endswith("/train.json")


def test_two_detectors_may_know_other_categories_than_the_data(detector, drawn, tmp_path):
    other = ReportModel.of_file(save_detector(tmp_path / "other.safetensors", categories=("Dress", "cape")))
    data = data_of_file(drawn, "detector")
    report = make_report(other, data, detector, n_bootstrap=3)
    assert "top" in report["unknown_categories"] and "dress" not in report["unknown_categories"]
    names = {row["name"] for row in report["classes"]}
    assert "cape" in names and "Dress" not in names, "a category by another spelling is the same"
    assert report["against"]["name"] == "tiny detector"


def test_a_classifier_is_asked_about_labeled_boxes_and_listed_photos(tiny_weights, drawn, tmp_path):
    classifier = ReportModel.of_file(tiny_weights / "classifier.safetensors")
    (tmp_path / "images").mkdir()
    for number in range(2):
        draw_scene(number, (64, 64)).image.save(tmp_path / "images" / f"{number}.jpg")
    with (tmp_path / "val.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label"), ("0", LABELS[0]), ("1", "Kimono")])
    report = make_report(classifier, data_of_file(tmp_path / "val.csv", "classifier"), n_bootstrap=3)
    assert (report["crops"], report["skipped"]) == (1, 1) and report["photos"][0]["boxes"] == []
    with pytest.raises(DatasetError, match="expected garments labeled Dress, .*got none"):
        make_report(classifier, replace(data_of_file(tmp_path / "val.csv", "classifier"), photos=()))


@pytest.fixture
def revision(store):
    """The number of a revision of two photos; a model's name for its category is another than the store's."""
    category = store.categories.all()[0]
    for place, seed in enumerate((97, 35)):
        photo = replace(drawn_photo(seed, f"{place}.png"), digest=f"{place:064d}")
        row = store.photos.add(photo, by="anna").row
        box = AnnotatedBox((20.0, 20.0, 120.0, 200.0), category.id, label="Shirt", flags=frozenset())
        store.annotations.submit(row.id, [box], author="anna", base_version=0, request=f"r{place}")
    return store.revisions.create("anna").number


def test_a_revisions_photos_are_those_that_are_still_there(store, revision, detector):
    data = data_of_revision(store, revision, ALL)
    assert [item.photo.name for item in data.photos] == ["0.png", "1.png"] and data.left_out == 0
    assert data.photos[0].truth.boxes_xyxy.tolist() == [[20, 20, 120, 200]]
    assert data.photos[0].labels == ("Shirt",) and data.photos[0].open().width == 180
    report = make_report(detector, data, n_bootstrap=3)
    assert report["boxes"] == 2 and report["data"]["digest"] == data.digest
    store.photos.delete(data.photos[0].photo.id, by="anna")
    fewer = data_of_revision(store, revision, ALL)
    assert len(fewer.photos) == 1 and fewer.left_out == 1 and fewer.digest != data.digest
    half = make_report(detector, data, n_bootstrap=3)
    assert half["data"]["left_out"] == 1, "deleted after the data were read"
    with pytest.raises(NotFoundError, match="no revision 9"):
        data_of_revision(store, 9)


def test_data_without_boxes_are_refused(detector, store, revision):
    nothing = ReportData("nothing", ("top",), ())
    with pytest.raises(DatasetError, match="expected annotated boxes to measure on in nothing, got none"):
        make_report(detector, nothing)
    holdout = data_of_revision(store, revision, HOLDOUT)
    assert {item.photo.name for item in holdout.photos} <= {"0.png", "1.png"}


def test_two_models_are_of_one_kind(detector, tiny_weights, drawn):
    classifier = ReportModel.of_file(tiny_weights / "classifier.safetensors")
    with pytest.raises(DatasetError, match="two models of a kind, got a detector and a classifier"):
        make_report(detector, data_of_file(drawn, "detector"), classifier)


def test_a_report_is_kept_by_what_decides_it(detector, monkeypatch, tmp_path):
    monkeypatch.setenv("LAPEL_CACHE", str(tmp_path))
    key = report_key(detector, "digest")
    assert key == report_key(replace(detector, name="renamed"), "digest")
    calibrated = replace(detector, card=replace(detector.card, calibration={"slope": 2.0}))
    others = [
        report_key(detector, "other"),
        report_key(detector, "digest", detector),
        report_key(calibrated, "digest"),
    ]
    assert len({key, *others}) == 4 and kept_report(key) is None
    keep_report(key, {"kind": "detector"})
    assert kept_report(key) == {"kind": "detector"}
    (tmp_path / "reports" / f"{key}.json").write_text("{broken")
    assert kept_report(key) is None
    monkeypatch.setattr("core.inference.reports.MOST_KEPT", 2)
    for other in others:
        keep_report(other, {})
    assert len(list((tmp_path / "reports").iterdir())) == 2
