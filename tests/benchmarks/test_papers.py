"""The papers' experiments in their short form on drawn photos, and the tables that come of entries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.papers.__main__ import ROOT, run_experiment
from benchmarks.papers.experiments import ABLATION, ARMS
from benchmarks.papers.measuring import best_f1_threshold
from benchmarks.papers.photos import detection_files, join_sets
from benchmarks.papers.protocols import PROTOCOLS
from benchmarks.papers.tables import all_tables, fill_in, paired_gain, read_entries
from core.boxes import Detections, GroundTruth
from core.datasets.coco import write_coco
from core.datasets.detection import BoxedPhoto, DetectionDataset
from core.datasets.reading import read_fitted
from core.errors import DatasetError

STREET = ("bag", "belt", "boots", "footwear", "dress", "scarf_tie")
RESULTS = ROOT / "benchmarks" / "results" / "papers"


def drawn_set(folder: Path, photos: int, seed: int) -> DetectionDataset:
    """Photos of colored fields with two boxes each, the categories in turn."""
    (folder / "photos").mkdir(parents=True)
    rng, listed = np.random.default_rng(seed), []
    for number in range(photos):
        fields = rng.integers(0, 256, (4, 3, 3), dtype=np.uint8)
        picture = Image.fromarray(fields).resize((72, 96), Image.Resampling.NEAREST)
        picture.save(folder / "photos" / f"{number}.jpg")
        boxes = np.array([[4, 4, 40, 60], [20, 30, 70, 90]])
        ids = np.array([2 * number, 2 * number + 1]) % len(STREET)
        listed.append(BoxedPhoto(f"{number}.jpg", 72, 96, boxes, ids))
    return DetectionDataset(STREET, tuple(listed), folder / "photos")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sets in the folders that the experiments look in."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("street", "chictopia")):
        dataset = drawn_set(folder / name, 9, seed)
        for part in ("train", "val"):
            write_coco(dataset, folder / name / f"{part}.json")
    return folder


@pytest.fixture
def data(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_TEST_DATA", str(photos))


@pytest.mark.usefixtures("data")
def test_an_experiment_trains_its_arms_once_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    protocol, out = PROTOCOLS["quick"], tmp_path / "results"
    first = [ABLATION[0].name]
    assert not run_experiment("ablation", protocol, out, tmp_path / "work", "cpu", stop_at=-1)
    assert not list(out.rglob("*.json"))
    assert run_experiment("ablation", protocol, out, tmp_path / "work", "cpu", only=first)
    entries = sorted((out / "quick").glob("*.json"))
    assert [path.stem for path in entries] == ["yolov4-darknet-seed0", "yolov4-darknet-seed1"]
    written = [path.read_bytes() for path in entries]
    assert run_experiment("classes", protocol, out, tmp_path / "work", "cpu", only=first)  # the same arm
    assert [path.read_bytes() for path in entries] == written

    entry = json.loads(written[0])
    assert entry["recipe"]["model"] == "yolov4" and entry["seed"] == 0 and entry["curve"]
    assert len(entry["resamples"]["mAP50"]) == protocol.resamples
    assert entry["by_set"].keys() == {"street", "chictopia"}
    assert entry["metrics"]["photos"] == 12
    assert "YOLOv4, Darknet's anchors" in all_tables(out, "quick")["ablation"]


@pytest.mark.usefixtures("data")
def test_both_sets_are_joined_under_the_categories_that_both_box(tmp_path: Path) -> None:
    files = detection_files(tmp_path)
    joined = read_fitted(files.train).dataset
    assert joined.categories == ("bag", "footwear", "dress")
    assert [photo.file_name for photo in joined.photos][8:10] == ["street/8.jpg", "chictopia/0.jpg"]
    names = [[joined.categories[i] for i in photo.category_ids] for photo in joined.photos[:3]]
    assert names == [["bag"], ["footwear", "footwear"], ["dress"]]  # boots, then footwear; no scarf
    assert joined.path_of(joined.photos[9]).is_file()
    assert len(read_fitted(detection_files(tmp_path / "few", most=5).val).dataset.photos) == 5


def test_without_photos_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPEL_TEST_DATA", str(tmp_path))
    with pytest.raises(DatasetError):
        run_experiment("detectors", PROTOCOLS["quick"], tmp_path / "out", tmp_path / "work", "cpu")


def test_sets_of_one_photo_lose_the_boxes_that_one_of_them_does_not_know() -> None:
    photo = BoxedPhoto("a.jpg", 10, 10, np.array([[0, 0, 5, 5], [0, 0, 9, 9]]), np.array([1, 4]))
    joined = join_sets({"street": DetectionDataset(STREET, (photo,))})
    assert joined.photos[0].category_ids.tolist() == [2]
    assert joined.photos[0].boxes_xyxy.tolist() == [[0, 0, 9, 9]]


def test_the_threshold_of_the_best_f1_lies_at_the_last_hit_that_pays() -> None:
    box = np.array([[0, 0, 10, 10]], dtype=np.float32)
    truths = [GroundTruth(box, np.array([0]))] * 4
    scores = [(0.9, True), (0.8, True), (0.7, False), (0.2, True)]
    found = [
        Detections(box if hit else box + 50, np.array([score], np.float32), np.array([0]))
        for score, hit in scores
    ]
    # F1 after each: 2/5, 4/6, 4/7, 6/8
    assert best_f1_threshold(found, truths, 1) == pytest.approx(0.2)
    assert best_f1_threshold(found[:3], truths[:3], 1) == pytest.approx(0.8)


def entry(seed: int, map50: float, draws: list[float]) -> dict[str, object]:
    metrics = {"mAP50": map50, "mAP": map50 / 2, "precision": 0.5, "recall": 0.25}
    return {"seed": seed, "metrics": metrics, "resamples": {"mAP50": draws}, "hours": 0.5}


def test_gains_are_paired_over_photos_and_seeds() -> None:
    before = [entry(0, 0.40, [0.3, 0.5, 0.4]), entry(1, 0.42, [0.3, 0.5, 0.4]), entry(2, 0.9, [0.9] * 3)]
    after = [entry(0, 0.44, [0.34, 0.54, 0.44]), entry(1, 0.44, [0.32, 0.52, 0.42])]
    gain = paired_gain({"a": before, "b": after}, "a", "b")
    assert gain["seeds"] == 2
    assert gain["gain"] == pytest.approx(0.03)
    assert gain["low"] == pytest.approx(0.03) and gain["high"] == pytest.approx(0.03)  # the same in each draw
    # Student with one degree of freedom: 12.706 standard errors of 0.01
    assert gain["seed_high"] - gain["gain"] == pytest.approx(0.12706, abs=1e-4)


def test_tables_go_between_their_marks_and_nowhere_else() -> None:
    text = "a\n<!-- papers: costs -->\nold\n<!-- papers: end -->\nb\n"
    assert fill_in(text, {"costs": "| new |", "classes": "| none |"}) == (
        "a\n<!-- papers: costs -->\n| new |\n<!-- papers: end -->\nb\n"
    )
    with pytest.raises(ValueError, match="found none"):
        fill_in("<!-- papers: costs -->", {"costs": ""})


def test_every_arm_of_an_experiment_has_a_recipe_in_every_protocol() -> None:
    for protocol in PROTOCOLS.values():
        for arms in ARMS.values():
            for arm in arms:
                recipe = protocol.recipe_of(arm, 1)
                assert recipe.model == arm.model and recipe.seed == 1


def test_readme_and_the_page_show_the_tables_of_the_runs_that_happened() -> None:
    if not RESULTS.is_dir():
        pytest.skip("no entries of runs are here")
    tables = all_tables(RESULTS, "light")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert fill_in(readme, tables) == readme
    page = (RESULTS / "tables.md").read_text(encoding="utf-8")
    for name, table in tables.items():
        assert table in readme, name
        assert table in page, name
    for entries in read_entries(RESULTS / "light").values():
        assert all(one["commit"] and one["machine"]["processor"] for one in entries)
