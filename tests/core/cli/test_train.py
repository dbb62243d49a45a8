"""``train`` and ``distill``: options reach the training; a revision fine-tunes the champion."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.cli import train as command
from core.errors import ConflictError, DatasetError, RecipeError, StoreError
from core.jobs.client import start_training
from core.models.cards import read_card, write_card
from core.store import Store
from core.training import run
from core.training.finetune import run as finetune_run
from core.training.finetune.run_directory import RunDirectory
from core.training.recipes import ClassifierRecipe, DetectorRecipe, TrainingOptions

OPTIONS = TrainingOptions(Path("train.json"), Path("val.json"), epochs=3, seed=7, batch=5)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Trainings that were started instead of run."""
    calls: list[Any] = []

    def start(*arguments: Any, **settings: Any) -> Path:
        calls.append((*arguments, settings) if settings else arguments)
        return Path("runs") / "best.safetensors"

    for name in ("train_detector", "train_classifier", "distill_backbone"):
        monkeypatch.setattr(run, name, start)
    return calls


@pytest.mark.parametrize(("kind", "recipe"), [("detector", DetectorRecipe), ("classifier", ClassifierRecipe)])
def test_the_recipe_takes_what_the_shell_says(
    kind: str, recipe: type, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    command.train(kind, OPTIONS)
    ((chosen, options),) = started
    assert isinstance(chosen, recipe)
    assert (chosen.epochs, chosen.seed, chosen.batch) == (3, 7, 5)
    assert options is OPTIONS
    assert capsys.readouterr().out == "runs/best.safetensors\n"


def test_a_preset_is_a_recipe_or_a_detectors_size(started: list[Any]) -> None:
    for kind, preset in (("detector", "pico"), ("classifier", "poster")):
        command.train(kind, TrainingOptions(Path("a"), Path("b"), preset=preset))
    (detector, _), (classifier, _) = started
    assert (detector.name, detector.preset) == ("street", "pico")
    assert classifier.name == "poster"


def test_an_unknown_kind_or_recipe_is_refused(started: list[Any]) -> None:
    with pytest.raises(RecipeError, match="a detector or a classifier, got 'segmenter'"):
        command.train("segmenter", OPTIONS)
    with pytest.raises(RecipeError, match="got 'best'"):
        command.train("classifier", TrainingOptions(Path("a"), Path("b"), preset="best"))
    assert started == []


@pytest.mark.parametrize(
    ("text", "file", "share"),
    [
        ("a/train.json", "a/train.json", None),
        ("a/train.json:0.5", "a/train.json", 0.5),
        ("C:data", "C:data", None),
    ],
)
def test_a_source_is_a_file_and_maybe_its_share(text: str, file: str, share: float | None) -> None:
    assert command.parse_source(text) == (Path(file), share)


def test_bad_shares_and_lists_of_categories_are_refused() -> None:
    for text in ("a.json:0", "a.json:-1", "a.json:99", "a.json:nan"):
        with pytest.raises(RecipeError, match="a share above 0"):
            command.parse_source(text)
    texts = ["a.json:belt, scarf_tie", "b.json:hat", "a.json:shoe,belt"]
    assert command.parse_unlabeled(texts) == {
        Path("a.json"): ("belt", "scarf_tie", "shoe"),
        Path("b.json"): ("hat",),
    }
    for text in ("a.json", "a.json:", ":belt"):
        with pytest.raises(RecipeError, match="FILE:CATEGORY"):
            command.parse_unlabeled([text])


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders with thirty photos' names and some that are none."""
    made = [tmp_path / "one", tmp_path / "two"]
    for folder in made:
        folder.mkdir()
        for number in range(15):
            (folder / f"{folder.name}-{number:02d}.{('jpg', 'PNG', 'webp')[number % 3]}").touch()
        (folder / "notes.txt").touch()
    return made


def test_a_backbone_learns_from_all_photos_but_those_left_out(
    folders: list[Path], tmp_path: Path, started: list[Any]
) -> None:
    skip = tmp_path / "val.txt"
    skip.write_text("one-00.jpg two-01\nunknown\n")
    command.distill(folders, tmp_path / "teacher", skip=skip, epochs=2)
    photos, teacher, settings = started[0]
    assert [len(photos), photos == sorted(photos), photos[0].name] == [28, True, "one-01.PNG"]
    assert (teacher, settings["epochs"], settings["size"]) == (tmp_path / "teacher", 2, 160)


def test_too_few_photos_and_a_missing_list_are_refused(
    folders: list[Path], tmp_path: Path, started: list[Any]
) -> None:
    with pytest.raises(DatasetError, match="at least 20 photos to learn from, got 15"):
        command.distill(folders[:1], tmp_path, skip=None)
    with pytest.raises(DatasetError, match="got 0"):
        command.distill([tmp_path / "none"], tmp_path, skip=None)
    with pytest.raises(DatasetError, match="text file of photos' names"):
        command.distill(folders, tmp_path, skip=tmp_path / "none.txt")
    assert started == []


@pytest.fixture
def store(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store with one revision, whose trainings give a copy of the champion at once."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", tiny_weights)
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    store = Store.open(folder=tmp_path)
    store.revisions.create("ada")

    def learn(store: Store, training: int, stop: Callable[[], bool], **options: Any) -> Path:
        assert not stop() and options["device"] == "cpu"
        champion = store.models.champion(store.trainings.get(training).kind)
        settings = {"parent": champion.name, "photos": {"corrected": 0}}
        store.trainings.prepared(training, parent_id=champion.id, settings=settings)
        options["progress"](1, 2, "Learning.")
        target = RunDirectory.of(store, training).folder / "final.safetensors"
        target.parent.mkdir(parents=True)
        shutil.copy(store.models.file_of(champion), target)
        write_card(replace(read_card(store.models.file_of(champion)), name="better"), target)
        return target

    monkeypatch.setattr(finetune_run, "train_revision", learn)
    return store


def finetune(store: Store, revision: str = "latest", kind: str = "detector") -> None:
    command.train_revision(kind, revision, quick=True, device="cpu", data=store.folder)


def test_what_came_out_is_told_as_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    finetune(store)
    output = json.loads(capsys.readouterr().out)
    assert (output["model"], output["mode"], output["revision"], output["parent"]) == (
        "better", "quick", 1, "tiny detector",
    )  # fmt: skip
    assert output["comparison"] is None and "was not compared" in output["message"]
    (row,) = store.trainings.recent()
    assert (row.state, row.job, store.jobs.recent()) == ("done", None, ())
    assert store.models.named("better").training_id == row.id


def test_a_failure_is_noted_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Path:
        raise DatasetError("Nothing is new.")

    monkeypatch.setattr(finetune_run, "train_revision", fail)
    with pytest.raises(DatasetError):
        finetune(store)
    (row,) = store.trainings.recent()
    assert (row.state, row.message) == ("failed", "Nothing is new.")


def test_what_is_trained_already_or_is_not_there_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="no revision 7"):
        finetune(store, "7")
    with pytest.raises(RecipeError, match="a detector or a classifier"):
        finetune(store, kind="labeler")
    start_training(store, "detector", "full", 1)
    with pytest.raises(ConflictError, match="being trained already"):
        finetune(store)


def test_a_fine_tunings_anchors_are_shares_of_the_input(tmp_path: Path) -> None:
    file = tmp_path / "anchors.json"
    pairs = [[8.0 * side, 16.0 * side] for side in range(1, 10)]
    file.write_text(json.dumps({"anchors": pairs, "size": 320}))
    assert command.asked_anchors(None) is None and command.asked_anchors("champion") is None
    assert command.asked_anchors("own") == "own"
    found = command.asked_anchors(str(file))
    assert found is not None and np.allclose(found, np.array(pairs) / 320)  # type: ignore[arg-type]
    darknet = command.asked_anchors("darknet")
    assert darknet is not None and np.allclose(darknet[0], [12 / 608, 16 / 608])  # type: ignore[arg-type]
    file.write_text(json.dumps({"anchors": pairs}))
    with pytest.raises(RecipeError, match="expected the input size of its anchors"):
        command.asked_anchors(str(file))
    with pytest.raises(
        RecipeError, match="expected --anchors champion, own, darknet or a JSON file, got randm"
    ):
        command.asked_anchors("randm")
