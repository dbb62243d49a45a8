"""``anchors``, ``summary`` and ``evaluate``: the contract's keys as JSON, and lines for people."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import typer

from core.cli import evaluate
from core.errors import DatasetError, LapelError, RecipeError, WeightsError
from tests.app.annotating import box, filled_store
from tests.weights import LABELS
from tools.synthetic import draw_dataset, draw_scene


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A COCO file of eight drawn photos."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 8, size_wh=(96, 128))
    return folder / "train.json"


def output_of(capsys: pytest.CaptureFixture[str]) -> dict:
    printed = capsys.readouterr()
    assert printed.err == "" and printed.out.count("\n") == 1
    return json.loads(printed.out)


def test_anchors_are_pairs_by_area_with_their_measure(
    drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.anchors(drawn, clusters=3, size=416, seed=0, as_json=True)
    result = output_of(capsys)
    assert list(result) == ["anchors", "mean_iou", "darknet_mean_iou", "boxes", "iterations"]
    areas = [w * h for w, h in result["anchors"]]
    assert len(areas) == 3 and areas == sorted(areas)
    assert 0 < result["darknet_mean_iou"] < 1 and 0 < result["mean_iou"] <= 1
    assert result["boxes"] == sum(len(photo["annotations"]) for photo in [json.loads(drawn.read_text())])
    evaluate.anchors(drawn, clusters=3, size=416, seed=0, as_json=False)
    text = capsys.readouterr().out
    assert f"over {result['boxes']} boxes" in text and f"{result['mean_iou']:.3f}" in text


def test_anchors_of_nothing_or_no_size_are_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="one pixel or more, got 0"):
        evaluate.anchors(drawn, clusters=3, size=0, seed=0, as_json=True)
    with pytest.raises(RecipeError, match="clusters"):
        evaluate.anchors(drawn, clusters=0, size=416, seed=0, as_json=True)
    with pytest.raises(DatasetError, match="nothing there"):
        evaluate.anchors(tmp_path / "none.json", clusters=3, size=416, seed=0, as_json=True)


def test_anchors_come_as_yaml_and_as_darknets_line(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.anchors(drawn, clusters=3, form="darknet")
    assert capsys.readouterr().out.startswith("anchors = ")
    evaluate.anchors(drawn, clusters=3, form="yaml")
    assert capsys.readouterr().out.count("# stride") == 3
    evaluate.anchors(drawn, clusters=3, form="json", seeding="random")
    assert output_of(capsys)["mean_iou"] > 0


def test_refined_anchors_fit_no_worse(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.anchors(drawn, clusters=2, as_json=True)
    plain = output_of(capsys)
    evaluate.anchors(drawn, clusters=2, refine=True, as_json=True)
    refined = output_of(capsys)
    assert list(refined) == list(plain) and refined["mean_iou"] >= plain["mean_iou"]


def test_a_study_is_told_beside_the_anchors(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.anchors(drawn, clusters=3, study="scales", as_json=True)
    assert [row["stride"] for row in output_of(capsys)["scales"]] == [8, 16, 32]
    evaluate.anchors(drawn, clusters=2, study="seedings")
    assert capsys.readouterr().out.count("seeding random  seed ") == 20
    for refused in ({"study": "luck"}, {"form": "xml"}, {"study": "scales", "form": "yaml"}):
        with pytest.raises(RecipeError, match="expected|goes with"):
            evaluate.anchors(drawn, clusters=3, **refused)


def test_anchors_of_a_revision_are_those_of_its_boxes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = filled_store(tmp_path)
    (row, *_) = (row for row in store.photos.page(0, 10) if not row.holdout)  # 90 x 120, a box of 30 x 40
    store.annotations.submit(row.id, [box(5)], author="anna", base_version=0, request="first")
    store.revisions.create("anna")
    for named in ("revision:latest", "revision:1"):
        evaluate.anchors(Path(named), clusters=1, size=120, data=tmp_path, as_json=True)
        assert output_of(capsys)["anchors"] == [[30.0, 40.0]]
    for wrong in ("revision:new", "revision:9"):
        with pytest.raises(LapelError):
            evaluate.anchors(Path(wrong), clusters=1, size=120, data=tmp_path)


def test_a_summary_has_the_contracts_keys(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate.summary(["mobilenet"], preset="full", classes=None, size=None, table=None, as_json=True)
    result = output_of(capsys)
    keys = {
        "model",
        "preset",
        "parameters",
        "trainable",
        "backbone_parameters",
        "macs",
        "backbone_macs",
        "bytes",
    }
    assert keys <= result.keys()
    assert result["parameters"] == 4_253_864, "MobileNet as Keras counts it"
    evaluate.summary(["mobilenet"], preset="full", classes=None, size=None, table=None, as_json=False)
    assert "parameters  4,253,864\n" in capsys.readouterr().out
    with pytest.raises(RecipeError, match="got 'yolov9'"):
        evaluate.summary(["yolov9"], preset="full", classes=None, size=None, table=None, as_json=True)


def costs(**figures: int | None) -> dict:
    """A summary of these figures, the others being 100."""
    names = ("parameters", "trainable", "backbone_parameters", "macs", "backbone_macs", "bytes")
    return {"model": "net", "preset": "full"} | dict.fromkeys(names, 100) | figures


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three models whose costs are given."""
    known = {
        "large": costs(parameters=6400, macs=3000, backbone_parameters=None) | {"model": "large"},
        "small": costs(parameters=4800, macs=1500) | {"model": "small", "preset": "nano"},
        "more": costs(parameters=8000, macs=3000, backbone_macs=None) | {"model": "more"},
    }
    monkeypatch.setattr("core.models.cost.summarize_model", lambda name, *_: known[name])


def summarized(*models: str, table: str | None = None, as_json: bool = False) -> None:
    evaluate.summary(list(models), preset="full", classes=None, size=None, table=table, as_json=as_json)


def test_several_models_are_told_with_what_they_save_against_the_first(
    counted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    summarized("large", "small", "more", as_json=True)
    result = output_of(capsys)
    assert [entry["model"] for entry in result["models"]] == ["large", "small", "more"]
    small, more = result["savings"]
    assert (small["model"], small["preset"], small["against"]) == ("small", "nano", "large")
    # 4800 of 6400 are three quarters; 1500 of 3000 are half.
    assert (small["percent"]["parameters"], small["factor"]["parameters"]) == (25.0, 1.33)
    assert (small["percent"]["macs"], small["factor"]["macs"]) == (50.0, 2.0)
    assert more["percent"]["parameters"] == -25.0, "a quarter more"
    assert small["percent"]["backbone_parameters"] is None and more["factor"]["backbone_macs"] is None
    assert small["percent"]["bytes"] == 0.0


def test_models_stand_side_by_side_in_a_table(counted: None, capsys: pytest.CaptureFixture[str]) -> None:
    summarized("large", "small", "more")
    head, parameters, *_, size = capsys.readouterr().out.splitlines()
    assert head.split() == ["large", "small", "nano", "more"]
    assert parameters.split() == ["parameters", "6,400", "4,800", "(-25.00", "%)", "8,000", "(+25.00", "%)"]
    assert size.split()[0] == "bytes" and len(head) == len(size)


def test_the_table_is_csv_or_latex_too(counted: None, capsys: pytest.CaptureFixture[str]) -> None:
    summarized("large", "small", table="csv")
    first, second = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (second["model"], second["macs"], second["macs_saved_percent"]) == ("small", "1500", "50.0")
    assert first["macs_saved_percent"] == first["backbone_parameters"] == ""
    summarized("large", "small", table="latex")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrr}" and lines[-1] == r"\end{tabular}"
    assert lines[-3].startswith(r"small nano & 0.00 ($-25.00$\,\%) &") and lines[-3].endswith(r"\\")
    with pytest.raises(RecipeError, match="a table of text, csv, latex, got 'html'"):
        summarized("large", table="html")


def test_a_model_may_be_named_with_its_preset(capsys: pytest.CaptureFixture[str]) -> None:
    summarized("yolov4-gs:pico", as_json=True)
    assert output_of(capsys)["preset"] == "pico"
    with pytest.raises(RecipeError, match="mobilenet has the preset full only, got 'pico'"):
        summarized("mobilenet:pico", as_json=True)


def test_a_detector_is_evaluated_with_the_contracts_keys(
    tiny_weights: Path, drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(tiny_weights / "detector.safetensors")
    evaluate.evaluate(weights, drawn, None, as_json=True)
    result = output_of(capsys)
    assert {"mAP50", "mAP", "precision", "recall", "classes", "photos"} <= result.keys()
    assert result["photos"] == 8 and len(result["classes"]) == 13
    assert result["score_threshold"] == 0.3, "precision and recall are those at the card's threshold"
    evaluate.evaluate(weights, drawn, drawn.parent / "photos", as_json=False)
    text = capsys.readouterr().out
    assert f"mAP50  {result['mAP50']:.4f}\n" in text and "scarf_tie  boxes " in text


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A CSV of three photos, one without its ending and one with a label that nobody knows."""
    (tmp_path / "images").mkdir()
    for number in range(3):
        draw_scene(number, (64, 64)).image.save(tmp_path / "images" / f"{number}.jpg")
    rows = [("image", "label"), ("0", LABELS[0]), ("1.jpg", LABELS[1]), ("2", "Kimono")]
    with (tmp_path / "val.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)
    return tmp_path / "val.csv"


def test_a_classifier_is_evaluated_and_unknown_labels_are_counted(
    tiny_weights: Path, listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(tiny_weights / "classifier.safetensors")
    evaluate.evaluate(weights, listed, None, as_json=True)
    result = output_of(capsys)
    assert {"top1", "top3", "top5", "photos", "skipped"} <= result.keys()
    assert (result["photos"], result["skipped"]) == (2, 1)
    evaluate.evaluate(weights, listed, None, as_json=False)
    assert "skipped  1\n" in capsys.readouterr().out


def test_rows_without_their_photo_are_an_error(tiny_weights: Path, listed: Path) -> None:
    listed.write_text(listed.read_text() + "3,Hat\n")
    with pytest.raises(DatasetError, match=r"val\.csv names 3, which is not in images/"):
        evaluate.evaluate(str(tiny_weights / "classifier.safetensors"), listed, None, as_json=True)


@pytest.mark.parametrize("model", ["yolo", "weights.pt", "detectors"])
def test_what_is_no_model_is_refused(model: str, drawn: Path) -> None:
    with pytest.raises(WeightsError, match=f"detector, classifier or a .safetensors file, got '{model}'"):
        evaluate.evaluate(model, drawn, None, as_json=True)


def test_the_data_has_to_be_of_the_models_kind(tiny_weights: Path, drawn: Path, listed: Path) -> None:
    with pytest.raises(LapelError, match="columns image and label"):
        evaluate.evaluate(str(tiny_weights / "classifier.safetensors"), drawn, None, as_json=True)
    with pytest.raises(LapelError, match="COCO"):
        evaluate.evaluate(str(tiny_weights / "detector.safetensors"), listed, None, as_json=True)


def test_figures_for_people_are_short() -> None:
    shown = dict(
        evaluate.plain_figures({"a": 0.123456, "b": 1234567, "c": "name", "d": None, "e": {"f": 1}, "g": [1]})
    )
    assert shown == {"a": "0.1235", "b": "1,234,567", "c": "name", "d": "-"}


def test_photos_of_another_size_are_measured_in_their_own_and_counted(
    tiny_weights: Path, drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, photos = str(tiny_weights / "detector.safetensors"), drawn.parent / "photos"
    document = json.loads(drawn.read_text())
    evaluate.evaluate(weights, drawn, photos, as_json=True)
    right = output_of(capsys)
    assert (right["resized"], right["left_out"]) == (0, 0)
    for image in document["images"]:
        image.update(width=2 * image["width"], height=2 * image["height"])
    for entry in document["annotations"]:
        entry["bbox"] = [2 * value for value in entry["bbox"]]
    doubled = tmp_path / "doubled.json"
    doubled.write_text(json.dumps(document))
    evaluate.evaluate(weights, doubled, photos, as_json=True)
    result = output_of(capsys)
    assert result["resized"] == 8 and result["mAP50"] == pytest.approx(right["mAP50"], abs=1e-3)
    first = document["images"][0]
    first.update(width=first["height"], height=first["width"])
    doubled.write_text(json.dumps(document))
    with pytest.raises(typer.Exit) as left:
        evaluate.evaluate(weights, doubled, photos, as_json=True)
    result = output_of(capsys)
    assert (left.value.exit_code, result["left_out"], result["photos"]) == (1, 1, 7)
    assert result["wrong_sizes"][0]["photo"] == first["file_name"]
