import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from core.errors import DatasetError, WeightsError
from core.images.crops import normalize_pixels
from core.models.weights import read_tensors
from core.training.detector import DetectorTraining
from core.training.distillation import (
    Distillation,
    DistillationData,
    UnlabeledDataset,
    export_backbone,
    standardize,
)
from core.training.sampler import EpochSampler
from core.training.trainer import fit
from tests.core.models.folded import save_folded
from tests.core.training.samples import ANCHORS_WH, CATEGORIES, draw_rectangles, pico_recipe


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Twelve pictures. Do not change."""
    folder = tmp_path_factory.mktemp("photos")
    draw_rectangles(folder, 12)
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return save_folded(tmp_path_factory.mktemp("teacher") / "folded.safetensors")


def distillation(teacher):
    torch.manual_seed(0)
    return Distillation("pico", teacher)


def test_features_are_standardized_channel_by_channel():
    features = torch.randn(3, 4, 5, 6) * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 7
    standard = standardize(features)
    assert torch.allclose(standard.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5)
    assert torch.allclose(standard.var(dim=(0, 2, 3)), torch.ones(4), atol=2e-3)
    assert torch.equal(standardize(torch.full((2, 1, 3, 3), 5.0)), torch.zeros(2, 1, 3, 3))


def test_knowing_nothing_costs_what_there_is_to_know(teacher, paths):
    module = distillation(teacher)
    for adapter in module.adapters:
        torch.nn.init.zeros_(adapter.weight)
        torch.nn.init.zeros_(adapter.bias)
    photos = UnlabeledDataset(paths, 64)
    pictures = torch.stack([photos[i] for i in range(4)])
    spread = []
    with torch.no_grad():
        for features in module.teacher[0].pyramid(normalize_pixels(pictures)):
            variance = features.var(dim=(0, 2, 3), unbiased=False)
            spread.append((variance / (variance + 1e-3)).mean().item())
    assert module.feature_loss(pictures).item() == pytest.approx(np.mean(spread), rel=0.1)
    assert min(spread) > 0.5


def test_the_loss_falls_and_the_teacher_stays(teacher, paths):
    module = distillation(teacher)
    before = {name: value.clone() for name, value in module.teacher[0].state_dict().items()}
    photos = UnlabeledDataset(paths, 64)
    batch = torch.stack([photos[i] for i in range(4)])
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        loss = module.feature_loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in module.teacher[0].state_dict().items())


def test_the_teacher_is_neither_saved_nor_trained(teacher):
    module = distillation(teacher)
    assert {name.split(".")[0] for name in module.state_dict()} == {"backbone", "adapters", "model"}
    assert not any(p.requires_grad for p in module.teacher[0].parameters())
    assert not module.teacher[0].training


def test_a_distilled_backbone_starts_a_detector(teacher, paths, tmp_path):
    module = distillation(teacher)
    fit(
        module,
        DistillationData(paths, size=64, batch=4),
        epochs=1,
        out=tmp_path,
        monitor="val_score",
        export=export_backbone,
        device="cpu",
        precision="32-true",
        progress_bar=False,
    )
    detector = DetectorTraining(pico_recipe(), CATEGORIES, ANCHORS_WH)
    detector.load_pretrained(read_tensors(tmp_path / "best.safetensors"))
    learned = module.backbone.state_dict()
    assert all(torch.equal(value, learned[k]) for k, value in detector.model.backbone.state_dict().items()
               if not k.endswith("num_batches_tracked"))  # fmt: skip
    assert load_file(tmp_path / "best.safetensors").keys() == learned.keys()
    nano = DetectorTraining(pico_recipe(preset="nano"), CATEGORIES, ANCHORS_WH)
    with pytest.raises(WeightsError, match="another model"):
        nano.load_pretrained(read_tensors(tmp_path / "best.safetensors"))


def test_crops_depend_on_seed_epoch_and_photo_alone(paths):
    first, second = UnlabeledDataset(paths, 64, seed=1), UnlabeledDataset(paths, 64, seed=1)
    torch.manual_seed(5)
    expected = first[(2, 3)]
    torch.manual_seed(6)
    state = torch.random.get_rng_state()
    assert torch.equal(second[(2, 3)], expected)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(first[(3, 3)], expected)
    assert first[3].shape == expected.shape == (3, 64, 64) and torch.equal(first[3], second[3])


def test_a_tenth_of_the_photos_is_kept_aside(paths):
    data = DistillationData(paths, size=64)
    assert (len(data.train_set), len(data.val_set)) == (11, 1)
    assert len(data.train_dataloader()) == 1  # a batch of all eleven, not of the 32 asked for
    assert isinstance(data.train_dataloader().sampler, EpochSampler)


def test_too_few_photos_to_keep_any_aside_are_refused(paths):
    with pytest.raises(DatasetError, match="ten photos or more, .* got 9"):
        DistillationData(paths[:9])
