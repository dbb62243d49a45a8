"""Every classifier is trained, evaluated, served, explained and exported by the same commands."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.inference.classifier import Classifier
from core.inference.engines.export_cache import TOLERANCE
from core.inference.engines.export_process import export_for
from core.inference.model_cache import ModelCache
from core.models.cards import ModelCard, read_card
from core.models.registry import CLASSIFIERS
from core.store import Store
from core.training.finetune.classifier import ClassifierFinetuning
from core.training.finetune.data import classifier_classes
from core.training.finetune.recipes import finetune_recipe
from tests.core.cli.commands import command
from tests.weights import drawn_photo

SMALL = {
    "mobilenet": ("--size", 64),
    "mobilenet-mha": ("--size", 64),
    "vgg16": ("--preset", "gap", "--size", 64),
}
"""Options that make a network's steps short: smaller pictures, without the dense layers of 4096."""

LABELS = ("Coat", "Dress", "Hat")


@dataclass(frozen=True)
class Trained:
    """A classifier that a command has trained, what it said, and the set that it was trained on."""

    weights: Path
    card: ModelCard
    said: str
    csv: Path


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of six pictures of one color a label."""
    folder, rng = tmp_path_factory.mktemp("labeled"), np.random.default_rng(0)
    for index in range(6):
        pixels = np.full((40, 30, 3), (40 * index + 20) % 256, np.uint8)
        pixels[:, :, index % 3] = 220
        Image.fromarray(pixels + rng.integers(0, 20, pixels.shape, np.uint8)).save(folder / f"{index}.png")
    rows = "".join(f"{index}.png,{LABELS[index % 3]}\n" for index in range(6))
    (folder / "train.csv").write_text(f"image,label\n{rows}")
    return folder / "train.csv"


@pytest.fixture(scope="module", params=CLASSIFIERS)
def trained(
    request: pytest.FixtureRequest, labeled: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """Each network after two epochs of two steps."""
    out, said = tmp_path_factory.mktemp(request.param), io.StringIO()
    with contextlib.redirect_stderr(said):
        command("train", "classifier", "--model", request.param, *SMALL[request.param], "--data", labeled,
                "--val", labeled, "--epochs", 2, "--batch", 3, "--device", "cpu", "--out", out)  # fmt: skip
    weights = out / "best.safetensors"
    return Trained(weights, read_card(weights), said.getvalue(), labeled)


def test_a_network_is_trained_with_its_card_and_says_what_it_starts_from(trained: Trained) -> None:
    card = trained.card
    size, preset = 64, SMALL[card.model][1]
    assert (card.kind, card.categories, card.input_size) == ("classifier", LABELS, size)
    assert card.preset == (preset if card.model == "vgg16" else "full")
    assert card.training["recipe"]["name"] == "fine" and card.training["photos"] == 6
    history = (trained.weights.parent / "history.jsonl").read_text().splitlines()
    assert len(history) == 2 and all(np.isfinite(json.loads(line)["train_loss"]) for line in history)


def test_no_layer_of_random_weights_is_frozen_and_the_command_says_so(trained: Trained) -> None:
    frozen = card_trainable(trained.card) != "all"
    ships = trained.card.model == "mobilenet-mha"
    assert frozen == ships, "the weights that ship are of this network"
    if not ships:
        sentence = f"No trained {trained.card.model} was given or ships: starts from random weights"
        assert f"{sentence}, and freezes no layer." in trained.said


def card_trainable(card: ModelCard) -> str:
    return str(card.training["recipe"]["trainable"])


def test_a_network_is_evaluated(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    command("evaluate", trained.weights, trained.csv, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["photos"] == 6 and found["skipped"] == 0
    assert 0 <= found["top1"] <= found["top3"] == found["top5"] == 1, "of three labels"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    drawn_photo().image.save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_network_serves_in_the_labeler(
    trained: Trained, tiny_ships: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("label", photo, "--weights", trained.weights)
    found = json.loads(capsys.readouterr().out)
    assert found["models"]["classifier"] == trained.card.name
    assert found["garments"]
    for garment in found["garments"]:
        assert {label for label, _ in garment["top5"]} == set(LABELS)
        assert sum(share for _, share in garment["top5"]) == pytest.approx(1, abs=1e-3)
        assert garment["classifier"][0] in LABELS


def test_a_network_serves_as_the_stores_champion(trained: Trained, tiny_ships: Path, tmp_path: Path) -> None:
    with contextlib.closing(Store.open(folder=tmp_path)) as store:
        champion = store.models.champion("classifier")
        candidate = store.models.add(trained.weights, parent_id=champion.id)
        store.promotions.promote(
            candidate.id, expected_champion=champion.id, request="new", overrule_reason="a test"
        )
        served = ModelCache(store).current()
        assert served.warnings == () and served.labeler.names["classifier"] == candidate.name
        garments, embedding = served.labeler.label_and_embed(drawn_photo())
        assert garments and embedding.shape == ({"vgg16": 512}.get(trained.card.model, 1024),)


def test_a_network_is_explained_by_what_it_has(
    trained: Trained, tiny_ships: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command("explain", photo, "--out", tmp_path / "maps", "--weights", trained.weights, "--table")
    printed = capsys.readouterr()
    index = json.loads(printed.out)
    heads = [f"attention_head_{number}" for number in range(1, 9)]
    attends = trained.card.model == "mobilenet-mha"
    for garment in index["garments"]:
        assert list(garment["maps"]) == ["class_activation", *(["attention", *heads] if attends else [])]
        assert len(garment["top5"]) == 3
        assert all((tmp_path / "maps" / file).is_file() for file in garment["maps"].values())
    with Image.open(tmp_path / "maps" / "table.png") as table:
        assert table.height == 44 + 252 * len(index["garments"]), "a row a garment"
    sentence = (
        f"{trained.card.model} has no multi-head attention: a garment has a class activation map alone."
    )
    assert printed.err.splitlines() == ([] if attends else [sentence])


def test_a_network_answers_in_onnx_runtime_as_in_pytorch(trained: Trained, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    agreement = export_for(trained.weights, "onnxruntime", tmp_path)
    assert agreement["agrees"] and max(agreement["differences"].values()) <= TOLERANCE
    maps = (
        {"class_activation", "attention"} if trained.card.model == "mobilenet-mha" else {"class_activation"}
    )
    assert set(agreement["differences"]) == {"logits", "embedding", *maps}


def test_a_network_is_exported_for_other_programs(trained: Trained, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    command("export-model", trained.weights, "--format", "onnx", "--out", tmp_path / "folder")
    size, picture = trained.card.input_size, drawn_photo().image
    assert f"resize(({size}, {size})" in (tmp_path / "folder" / "README.md").read_text()
    classifier = Classifier.load(trained.weights)
    session = onnxruntime.InferenceSession(tmp_path / "folder" / "model.onnx")
    (found,) = session.run(["probabilities"], {"images": classifier.inputs_of([picture])["images"]})
    np.testing.assert_allclose(found, classifier.probabilities([picture]), atol=1e-3)


def test_a_network_is_fine_tuned_by_its_head_with_a_new_label(trained: Trained) -> None:
    classes = classifier_classes(LABELS, ())
    classes = replace(classes, names=(*LABELS, "Scarf"))
    finetune = finetune_recipe("quick", trained.card)
    module = ClassifierFinetuning(finetune, classes, trained.card, trained.weights)
    size, last = trained.card.input_size, module.model.last_layer
    inputs = torch.rand(2, 3, size, size) * 2 - 1
    module.loss_of(inputs, ((1.0, torch.tensor([0, 3])),)).backward()
    learning = {name for name, weight in module.named_parameters() if weight.grad is not None}
    hidden = {"model.hidden.weight", "model.hidden.bias"} if trained.card.model == "mobilenet-mha" else set()
    assert learning == {f"model.{last}.weight", f"model.{last}.bias"} | hidden
    assert module.model.head(module.model.embed(inputs)).shape == (2, 4)
