"""A training from a revision to a candidate: what is learned and kept, gone on with, stopped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import DatasetError
from core.files import current_commit
from core.models.cards import read_card
from core.models.weights import read_tensors
from core.store import Store
from core.store.schema import models
from core.training.finetune import progress, recipes
from core.training.finetune.run import register_candidate, train_revision
from core.training.finetune.run_directory import (
    RunDirectory,
    TrainingCancelled,
    finish_training,
    remove_stale_runs,
)
from tests.core.training.finetune.shapes import KNOWN, add_photo, dataset, map50, save_seldom, small

pytestmark = pytest.mark.slow
GREEN = ("red", "blue", "green")


class Killed(RuntimeError):
    """As if the process were gone: nothing is tidied up."""


def champion_learned(store: Store, revision: int) -> None:
    """Make the champion a model that learned this revision."""
    with store.database.write() as connection:
        connection.execute(models.update().where(models.c.kind == "detector").values(revision=revision))


def corrected_world(store: Store, *, corrected: int = 6, known: int = 6) -> int:
    """Photos of red and blue that the champion learned, and some of green that it did not: the revision."""
    for seed in range(known):
        add_photo(store, seed, KNOWN)
    store.models.register_shipped()
    if known:
        champion_learned(store, store.revisions.create("ada").number)
    for seed in range(100, 100 + corrected):
        add_photo(store, seed, ["green"])
    return store.revisions.create("ada").number


def trained(store: Store, revision: int, kind: str = "detector", **settings: Any) -> Path:
    """A quick training, on this machine's processor, to its end; its weights in a file of its own."""
    row = store.trainings.begin(kind, "quick", revision)
    weights = train_revision(store, row.id, settings.pop("stop", lambda: False), device="cpu", **settings)
    target = store.folder / f"{row.id}.safetensors"
    shutil.copy(weights, target)
    shutil.copy(weights.with_suffix(".json"), target.with_suffix(".json"))
    finish_training(store, row.id, "done")
    return target


def same(weights: Path, other: Path) -> bool:
    """Whether two files hold the very same numbers."""
    state, others = read_tensors(weights), read_tensors(other)
    return state.keys() == others.keys() and all(torch.equal(v, others[k]) for k, v in state.items())


def test_corrections_are_learned_and_what_the_champion_knew_is_kept(
    world: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_seldom(monkeypatch)
    revision = corrected_world(world)
    known = dataset(tmp_path / "known", 8, KNOWN, KNOWN, first=500)
    new = dataset(tmp_path / "new", 6, ["green"], GREEN, first=100)
    before = map50(world.models.file_of(world.models.champion("detector")), known)
    recipe = small(r_epochs=30, distillation_weight=0.5, replay=2.0, sample_budget=None)
    recipes.FINETUNE_RECIPES["detector", "quick"] = recipe  # type: ignore[index]
    candidate = trained(world, revision)
    assert read_card(candidate).categories == GREEN
    assert map50(candidate, new) > 0.35  # from nothing; 0.53 to 0.93 by seed and arithmetic
    assert map50(candidate, known) > 0.7 * before


def test_without_replay_and_distillation_what_the_champion_knew_is_forgotten(
    world: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At three times the learning rate, where half the epochs are enough on any arithmetic."""
    save_seldom(monkeypatch)
    revision = corrected_world(world)
    known = dataset(tmp_path / "known", 8, KNOWN, KNOWN, first=500)
    before = map50(world.models.file_of(world.models.champion("detector")), known)
    recipe = small(
        r_epochs=15, r_learning_rate=1.2e-2, distillation_weight=0.0, replay=0.0, sample_budget=None
    )
    recipes.FINETUNE_RECIPES["detector", "quick"] = recipe  # type: ignore[index]
    assert map50(trained(world, revision), known) < 0.5 * before


def test_a_training_that_was_killed_ends_as_an_unbroken_one_here_and_on_another_machine(
    world: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "COPY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "WRITE_SECONDS", 0.0)
    recipes.FINETUNE_RECIPES["detector", "quick"] = small(r_epochs=4, r_mosaic=0.5)  # type: ignore[index]
    revision = corrected_world(world, known=2)
    unbroken = trained(world, revision)
    steps = world.trainings.recent()[0].step

    def kill(step: int, of: int, message: str) -> None:
        if step > 0.7 * steps:
            raise Killed

    for elsewhere in (False, True):
        row = world.trainings.begin("detector", "quick", revision)
        with pytest.raises(Killed):
            train_revision(world, row.id, lambda: False, device="cpu", progress=kill)
        if elsewhere:
            shutil.rmtree(RunDirectory.of(world, row.id).folder)
        weights = train_revision(world, row.id, lambda: False, device="cpu")
        assert any("Going on after epoch" in line.text for line in world.trainings.lines(row.id))
        assert same(weights, unbroken)
        assert [point.step for point in world.trainings.points(row.id)][-1] == steps
        finish_training(world, row.id, "done")


def test_a_cancelled_training_stops_soon_and_leaves_nothing(world: Store) -> None:
    revision = corrected_world(world, known=0)
    asked: list[int] = []

    def stop() -> bool:
        asked.append(world.trainings.get(row.id).step)
        return asked[-1] > 0

    row = world.trainings.begin("detector", "quick", revision)
    recipes.FINETUNE_RECIPES["detector", "quick"] = small(r_epochs=200, sample_budget=None)  # type: ignore[index]
    with pytest.raises(TrainingCancelled):
        train_revision(world, row.id, stop, device="cpu")
    place = RunDirectory.of(world, row.id)
    assert not place.folder.exists() and not Path(place.copy_url).exists()
    assert world.trainings.get(row.id).step < 30


def test_a_candidate_says_where_it_comes_from_and_the_curve_is_whole(
    world: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "WRITE_SECONDS", 0.0)
    recipes.FINETUNE_RECIPES["detector", "quick"] = small(r_epochs=2, r_validate_every=1, fewest_epochs=1)  # type: ignore[index]
    revision = corrected_world(world, known=3)
    champion = world.models.champion("detector")
    row = world.trainings.begin("detector", "quick", revision)
    weights = train_revision(world, row.id, lambda: False, device="cpu")
    model = register_candidate(world, row.id, weights)
    assert register_candidate(world, row.id, weights) == model
    shown = model.card.training
    assert (model.parent_id, model.revision, model.training_id) == (champion.id, revision, row.id)
    assert (shown["mode"], shown["seed"], shown["parent"]) == ("quick", revision, champion.name)
    assert shown["photos"] == {"corrected": 6, "replayed": 3, "validation": 1, "boxes": 12}
    assert shown["recipe"]["recipe"]["input_wh"] == [64, 64] and shown["commit"] == current_commit()
    assert model.card.score_threshold == champion.card.score_threshold
    points = world.trainings.points(row.id)
    steps = world.trainings.get(row.id).steps
    assert [point.step for point in points] == list(range(1, steps + 1))
    assert all(set(p.values) >= {"loss", "learning_rate", "photos_a_second", "seconds_left"} for p in points)
    assert [p.step for p in points if "val_map50" in p.values] == [steps // 2, steps]
    assert world.trainings.get(row.id).settings["photos"] == shown["photos"]
    finish_training(world, row.id, "done")
    assert not RunDirectory.of(world, row.id).folder.exists()


def test_frozen_stages_stay_what_they_were_and_the_last_ones_learn(world: Store) -> None:
    recipes.FINETUNE_RECIPES["detector", "quick"] = small(r_epochs=2)  # type: ignore[index]
    before = read_tensors(world.models.file_of(world.models.champion("detector")))
    after = read_tensors(trained(world, corrected_world(world, known=0)))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = ("backbone.stem.", *(f"backbone.stages.{number}." for number in range(3)))
    assert any(name.startswith(frozen) for name in before)
    assert not any(name.startswith(frozen) for name in changed)
    for part in ("backbone.stages.3.", "backbone.stages.4.", "neck.", "heads."):
        assert any(name.startswith(part) for name in changed), part


def test_a_full_training_learns_the_whole_of_a_revision(world: Store) -> None:
    revision = corrected_world(world)
    recipes.FINETUNE_RECIPES["detector", "full"] = small("detector", "full", r_epochs=2)  # type: ignore[index]
    row = world.trainings.begin("detector", "full", revision)
    weights = train_revision(world, row.id, lambda: False, device="cpu")
    assert read_card(weights).training["photos"]["replayed"] == 5
    before = read_tensors(world.models.file_of(world.models.champion("detector")))
    name = "backbone.stages.4.0.primary.0.weight"
    assert not torch.equal(before[name], read_tensors(weights)[name])


@pytest.mark.parametrize("mode", ["quick", "full"])
def test_a_classifier_learns_labels_and_a_new_one(mode: str, world: Store) -> None:
    recipes.FINETUNE_RECIPES["classifier", mode] = small("classifier", mode, r_epochs=2)  # type: ignore[index]
    revision = corrected_world(world, known=0, corrected=4)
    row = world.trainings.begin("classifier", mode, revision)
    weights = train_revision(world, row.id, lambda: False, device="cpu")
    champion = world.models.champion("classifier")
    before, after = read_tensors(world.models.file_of(champion)), read_tensors(weights)
    assert read_card(weights).categories == (*champion.card.categories, "Green")
    is_backbone_kept = all(torch.equal(before[k], after[k]) for k in before if k.startswith("backbone."))
    assert is_backbone_kept == (mode == "quick")
    assert not torch.equal(before["hidden.weight"], after["hidden.weight"])
    assert register_candidate(world, row.id, weights).kind == "classifier"


def test_what_cannot_be_learned_is_told_in_a_sentence(world: Store) -> None:
    empty = world.revisions.create("ada").number
    row = world.trainings.begin("detector", "quick", empty)
    with pytest.raises(DatasetError, match="no photo with boxes outside the holdout"):
        train_revision(world, row.id, lambda: False, device="cpu")
    finish_training(world, row.id, "failed", "no photo")
    add_photo(world, 1, KNOWN)
    revision = world.revisions.create("ada").number
    world.models.register_shipped()
    champion_learned(world, revision)
    row = world.trainings.begin("detector", "quick", revision)
    with pytest.raises(DatasetError, match="Nothing was annotated since revision"):
        train_revision(world, row.id, lambda: False, device="cpu")


def test_a_sweep_takes_what_trainings_left_that_are_over(world: Store) -> None:
    revision = world.revisions.create("ada").number
    rows = [world.trainings.begin(kind, "quick", revision) for kind in ("detector", "classifier")]
    places = [RunDirectory.of(world, row.id) for row in rows]
    for place in places:
        place.folder.mkdir(parents=True)
        place.checkpoint.write_bytes(b"cut off")
        place.copy_checkpoint()
    world.trainings.finish(rows[0].id, "failed", "no memory")
    assert remove_stale_runs(world) == 1
    assert [place.folder.exists() for place in places] == [False, True]
    assert [Path(place.copy_url).exists() for place in places] == [False, True]
    places[1].fetch_checkpoint()
    assert not places[1].checkpoint.exists()  # nobody can go on from it


@pytest.mark.parametrize("kind", ["detector", "classifier"])
def test_of_few_corrections_each_is_seen_often_and_of_many_still_a_few_times(kind: str) -> None:
    quick = recipes.FINETUNE_RECIPES[kind, "quick"]
    assert [quick.for_photos(count, 0).recipe.epochs for count in (1, 10**6)] == [12, quick.fewest_epochs]
    assert quick.fewest_epochs >= 5


def test_recipes_are_plain_data() -> None:
    for finetune in recipes.FINETUNE_RECIPES.values():
        written = json.loads(json.dumps(finetune.as_dict()))
        recipe = type(finetune.recipe)(**lists_to_tuples(written.pop("recipe")))
        assert type(finetune)(recipe, **written) == finetune


def lists_to_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def test_a_detector_may_go_on_with_anchors_of_its_own_corrections(world: Store) -> None:
    recipes.FINETUNE_RECIPES["detector", "quick"] = small(r_epochs=1, fewest_epochs=1, r_learning_rate=1e-6)  # type: ignore[index]
    revision = corrected_world(world, known=3)
    champion = world.models.champion("detector")
    row = world.trainings.begin("detector", "quick", revision, anchors="own")
    weights = train_revision(world, row.id, lambda: False, device="cpu")
    card = read_card(weights)
    assert card.anchors_wh != champion.card.anchors_wh
    assert card.training["anchors"]["mean_iou"] > card.training["anchors"]["champions_mean_iou"]
    assert world.trainings.get(row.id).settings["anchors"] == "own"  # a second try fits the same
    assert any(line.text.startswith("Other anchors: mean best IoU") for line in world.trainings.lines(row.id))
