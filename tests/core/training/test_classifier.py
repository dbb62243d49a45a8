import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from core.datasets.classification import ClassificationSample
from core.errors import DatasetError, WeightsError
from core.images.crops import normalize_pixels
from core.inference.classifier import Classifier
from core.models.cards import read_card
from core.models.mobilenet import MobileNet, MobileNetMHA
from core.training.classifier import (
    ClassifierData,
    ClassifierTraining,
    build_classifier,
    export_classifier,
)
from core.training.recipes import ClassifierRecipe
from core.training.trainer import fit
from tests.core.models.folded import folded_tensors, save_folded

LABELS = ("Hat", "Shirt")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three round and three square pictures of many colors, as labeled photos. Do not change."""
    folder, rng, photos = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), []
    for index in range(6):
        image = Image.new("RGB", (90, 120), tuple(rng.integers(150, 255, 3).tolist()))
        pen, color = ImageDraw.Draw(image), tuple(rng.integers(0, 100, 3).tolist())
        (pen.ellipse if index % 2 else pen.rectangle)((20, 30, 70, 90), fill=color)
        image.save(folder / f"{index}.png")
        photos.append(ClassificationSample(folder / f"{index}.png", LABELS[index % 2]))
    return tuple(photos)


def quiet(module):
    module.log = lambda *_, **__: None
    return module


def frozen_parts(model):
    return {name.split(".")[2] for name, p in model.backbone.blocks.named_parameters(prefix="backbone.blocks")
            if not p.requires_grad}  # fmt: skip


@pytest.mark.parametrize(
    ("trainable", "blocks", "last"),
    [("poster", range(12), True), ("late", range(5), False), ("all", (), False)],
)
def test_a_recipe_freezes_what_it_says(trainable, blocks, last):
    with torch.device("meta"):
        model = build_classifier(ClassifierRecipe("r", trainable=trainable), 5)
    assert frozen_parts(model) == {str(n) for n in blocks}
    assert model.backbone.blocks[11].pointwise[0].weight.requires_grad
    assert model.backbone.blocks[11].depthwise[0].weight.requires_grad is not last
    assert all(p.requires_grad for p in model.attention.parameters())


def test_a_recipes_model_is_built_with_its_dropout():
    with torch.device("meta"):
        assert isinstance(build_classifier(ClassifierRecipe("r", model="mobilenet"), 5), MobileNet)
        model = build_classifier(ClassifierRecipe("r", dropout=0.3), 5)
    assert isinstance(model, MobileNetMHA) and model.dropout.p == 0.3


def learn(module, batch, steps, rate):
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate)
    losses = []
    for step in range(steps):
        loss = module.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_attention_network_learns_two_pictures_by_heart(photos):
    torch.manual_seed(0)
    recipe = ClassifierRecipe("r", trainable="all")
    module = quiet(ClassifierTraining(recipe, LABELS)).train()
    data = ClassifierData(photos, photos, LABELS, recipe)
    batch = (torch.stack([data.train_set[i][0] for i in range(2)]), torch.tensor([0, 1]))
    losses = learn(module, batch, steps=6, rate=5e-4)
    assert min(losses) < losses[0] / 10


def test_frozen_layers_keep_their_statistics():
    torch.manual_seed(0)
    module = quiet(ClassifierTraining(ClassifierRecipe("r", model="mobilenet"), LABELS)).train()
    module.model.backbone.stem.requires_grad_(False)
    module.on_train_epoch_start()
    stem, block = (
        part[1] for part in (module.model.backbone.stem, module.model.backbone.blocks[0].depthwise)
    )
    before = stem.running_mean.clone(), block.running_mean.clone()
    pictures = torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8)
    module.training_step((pictures, torch.tensor([0, 1, 0, 1])), 0)
    assert torch.equal(stem.running_mean, before[0])
    assert not torch.equal(block.running_mean, before[1])


def test_pretrained_weights_are_loaded_and_calibrated(tmp_path):
    recipe = ClassifierRecipe("r", model="mobilenet")
    module = ClassifierTraining(recipe, LABELS, save_folded(tmp_path / "folded.safetensors"))
    weight = module.model.backbone.stem[0].weight
    assert torch.equal(weight, folded_tensors()["stem.weight"])
    pictures = torch.randint(0, 255, (8, 3, 64, 64), dtype=torch.uint8)
    inputs = normalize_pixels(pictures)
    with torch.no_grad():
        before = module.eval().model(inputs)
        module.calibrate(pictures)
        assert torch.allclose(module.model(inputs), before, atol=1e-3)
        assert torch.allclose(module.train().model(inputs), before, atol=1e-2)


def test_the_loaders_rebalance_training_and_leave_validation_plain(photos):
    rare = (photos[0], *photos[1::2])  # one hat beside three shirts
    recipe = ClassifierRecipe("r", rebalance=1.0, batch=2, augmentation="rich")
    data = ClassifierData(rare, photos[:2], LABELS, recipe)
    loader = data.train_dataloader()
    assert len(loader.sampler) == round(2 + 3 * (4 / 3) ** 0.5)  # sqrt(1 / 0.25), sqrt(1 / 0.75)
    pictures, targets = next(iter(data.val_dataloader()))
    assert pictures.shape == (2, 3, 224, 224) and targets.tolist() == [0, 1]
    assert torch.equal(pictures, next(iter(data.val_dataloader()))[0])
    assert data.sample(2).shape == (2, 3, 224, 224)


def test_training_on_nothing_is_refused():
    with pytest.raises(DatasetError, match="photos to train on, got none"):
        ClassifierData((), (), LABELS, ClassifierRecipe("r"))


@pytest.mark.parametrize(("schedule", "optimizer"), [("plateau", "sgd"), ("cosine", "adamw")])
def test_a_trained_classifier_can_be_used(photos, tmp_path, schedule, optimizer):
    recipe = ClassifierRecipe(
        "r", model="mobilenet", schedule=schedule, optimizer=optimizer, epochs=1, batch=2, ema_decay=0.9
    )
    module = ClassifierTraining(recipe, LABELS)
    fit(
        module,
        ClassifierData(photos[:3], photos[:2], LABELS, recipe),
        epochs=1,
        out=tmp_path,
        monitor="val_top1",
        export=export_classifier({"commit": "abc"}),
        ema_decay=recipe.ema_decay,
        device="cpu",
        precision="32-true",
        progress_bar=False,
    )
    line = json.loads((tmp_path / "history.jsonl").read_text())
    assert {"train_loss", "val_loss", "val_top1", "val_top5"} <= line.keys() and line["val_top5"] == 1
    card = read_card(tmp_path / "best.safetensors")
    assert (card.kind, card.model, card.categories) == ("classifier", "mobilenet", LABELS)
    assert card.metrics == {"validation_top1": line["val_top1"]}
    assert card.training["commit"] == "abc" and card.training["recipe"]["schedule"] == schedule
    classifier = Classifier.load(tmp_path / "best.safetensors")
    probabilities = classifier.probabilities([Image.open(photos[0].path)])
    assert probabilities.sum().item() == pytest.approx(1)


def test_a_whole_classifier_can_be_gone_on_from(tmp_path):
    recipe = ClassifierRecipe("r", model="mobilenet")
    first = ClassifierTraining(recipe, LABELS)
    export_classifier({})(first, tmp_path / "first.safetensors", 0.5)
    second = ClassifierTraining(recipe, LABELS, tmp_path / "first.safetensors")
    for name, value in first.model.state_dict().items():
        assert torch.allclose(second.model.state_dict()[name].float(), value.float(), atol=2e-3), name
    before = second.model.backbone.stem[1].running_mean.clone()
    second.calibrate(torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8))
    assert torch.equal(second.model.backbone.stem[1].running_mean, before)
    with pytest.raises(WeightsError, match="labels Cap, Shirt in first.safetensors, got Hat, Shirt"):
        ClassifierTraining(recipe, ("Cap", "Shirt"), tmp_path / "first.safetensors")


def test_mixed_pictures_give_the_mixed_loss():
    torch.manual_seed(0)
    recipe = ClassifierRecipe("r", model="mobilenet", mixup=0.4)
    module = quiet(ClassifierTraining(recipe, LABELS)).eval()
    pictures, targets = torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8), torch.tensor([0, 1, 1, 0])
    alpha = torch.tensor(0.4)
    torch.manual_seed(5)
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    other = torch.randperm(4)
    inputs = pictures.float() / 127.5 - 1
    ids = torch.eye(2)
    with torch.no_grad():
        logs = module.model(share * inputs + (1 - share) * inputs[other]).log_softmax(1)
        expected = -((share * ids[targets] + (1 - share) * ids[targets[other]]) * logs).sum(1).mean()
        torch.manual_seed(5)
        assert torch.allclose(module.training_step((pictures, targets), 0), expected, atol=1e-5)
