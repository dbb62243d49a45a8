"""``report``: the file, the tables and the JSON, on datasets and on the store, by all names of models."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.errors import DatasetError, LapelError, NotFoundError, WeightsError
from core.images.decode import open_photo
from core.store import Store
from core.store.boxes import AnnotatedBox
from tests.core.store.models import add_candidate
from tools.synthetic import draw_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    draw_dataset(folder, 3, size_wh=(96, 128))
    return folder / "train.json"


def run(*arguments: object) -> str:
    """What the command prints; what it raises is raised."""
    done = CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_file_with_photos_and_tables_in_a_zip(tiny_ships, drawn, tmp_path):
    history = tmp_path / "history.jsonl"
    history.write_text(json.dumps({"epoch": 1, "train_loss": 2.0, "val_map50": 0.5}) + "\n")
    out, tables = tmp_path / "mine.html", tmp_path / "tables.zip"
    said = run(
        "detector", drawn, "--out", out, "--tables", tables, "--photos", 2, "--curves", history,
        "--against", tiny_ships / "detector.safetensors",
    )  # fmt: skip
    assert "mAP@0.5" in said and f"Written: {out}, {tables}" in said
    text = out.read_text()
    assert text.startswith("<!doctype html>") and text.count("data:image/jpeg;base64,") == 2
    assert 'id="training"' in text and "The second model is tiny detector" in text
    assert zipfile.ZipFile(tables).testzip() is None


def test_json_alone_writes_no_file_and_tables_may_be_a_folder(tiny_ships, drawn, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("detector", drawn, "--json", "--tables", tmp_path / "tables"))
    assert found["photos_measured"] == 3 and found["costs"]["models"][0]["parameters"] > 0
    assert found["training"] is None and not (tmp_path / "report.html").exists()
    assert {"classes.csv", "classes.tex"} <= {path.name for path in (tmp_path / "tables").iterdir()}


@pytest.fixture(scope="module")
def folder(tiny_weights, drawn, tmp_path_factory) -> Path:
    """The folder of a store with a revision of one photo, a champion and a candidate."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)
        store = Store.open(folder=folder)
        row = store.photos.add(open_photo(next(drawn.parent.rglob("*.jpg"))), by="anna").row
        assert row is not None
        box = AnnotatedBox((5.0, 5.0, 60.0, 90.0), store.categories.all()[0].id)
        store.annotations.submit(row.id, [box], author="anna", base_version=0, request="one")
        store.revisions.create("anna")
        add_candidate(store, tmp_path_factory.mktemp("candidate"))
        store.close()
    return folder


@pytest.fixture
def store(tiny_ships, folder, monkeypatch) -> None:
    """That store is the one that the command opens."""
    monkeypatch.setenv("LAPEL_DATA", str(folder))


def test_models_of_the_store_on_a_revision(store):
    found = json.loads(
        run(
            "candidate:detector",
            "revision:latest",
            "--against",
            "champion:detector",
            "--all-models",
            "--json",
        )
    )
    assert found["model"]["name"] == "candidate" and found["against"]["name"] == "tiny detector"
    assert found["data"]["name"] == "all photos of revision 1" and len(found["costs"]["models"]) == 3
    assert json.loads(run("candidate", "revision:1", "--json"))["model"] == found["model"]


@pytest.mark.parametrize(
    ("model", "data", "error", "said"),
    [
        ("nobody", "revision:1", WeightsError, "a model of the store, got 'nobody'"),
        ("candidate:classifier", "revision:1", NotFoundError, "no classifier beside the champion"),
        ("detector", "revision:next", DatasetError, "a revision's number or latest, got 'next'"),
        ("detector", "revision:7", NotFoundError, "no revision 7"),
        ("detector", "nothing.json", LapelError, "got nothing there"),
        ("classifier", "revision:1", DatasetError, "expected garments labeled"),
    ],
)
def test_what_is_not_there_is_one_sentence(store, model, data, error, said):
    with pytest.raises(error, match=said):
        run(model, data, "--json")
