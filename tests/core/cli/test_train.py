"""``train`` and ``distill``: what the shell says reaches the training; mistakes are told before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.cli import train
from core.errors import DatasetError, RecipeError
from core.training import run
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
    train.train(kind, OPTIONS)
    ((chosen, options),) = started
    assert isinstance(chosen, recipe)
    assert (chosen.epochs, chosen.seed, chosen.batch) == (3, 7, 5)
    assert options is OPTIONS
    assert capsys.readouterr().out == "runs/best.safetensors\n"


def test_a_preset_is_a_recipe_or_a_detectors_size(started: list[Any]) -> None:
    for kind, preset in (("detector", "pico"), ("classifier", "poster")):
        train.train(kind, TrainingOptions(Path("a"), Path("b"), preset=preset))
    (detector, _), (classifier, _) = started
    assert (detector.name, detector.preset) == ("street", "pico")
    assert classifier.name == "poster"


def test_an_unknown_kind_or_recipe_is_refused(started: list[Any]) -> None:
    with pytest.raises(RecipeError, match="a detector or a classifier, got 'segmenter'"):
        train.train("segmenter", OPTIONS)
    with pytest.raises(RecipeError, match="got 'best'"):
        train.train("classifier", TrainingOptions(Path("a"), Path("b"), preset="best"))
    assert started == []


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
    train.distill(folders, tmp_path / "teacher", skip=skip, epochs=2)
    photos, teacher, settings = started[0]
    assert [len(photos), photos == sorted(photos), photos[0].name] == [28, True, "one-01.PNG"]
    assert (teacher, settings) == (tmp_path / "teacher", {"epochs": 2})


def test_too_few_photos_and_a_missing_list_are_refused(
    folders: list[Path], tmp_path: Path, started: list[Any]
) -> None:
    with pytest.raises(DatasetError, match="at least 20 photos to learn from, got 15"):
        train.distill(folders[:1], tmp_path, skip=None)
    with pytest.raises(DatasetError, match="got 0"):
        train.distill([tmp_path / "none"], tmp_path, skip=None)
    with pytest.raises(DatasetError, match="text file of photos' names"):
        train.distill(folders, tmp_path, skip=tmp_path / "none.txt")
    assert started == []
