"""SSD, RetinaNet, Faster R-CNN and R-FCN learn, resume, freeze and start as YOLOv4 does."""

import numpy as np
import pytest
import torch

from core.errors import RecipeError
from core.models.registry import detector_names, has_anchors
from core.models.yolov4 import PRESETS, Backbone
from core.training.detector import DetectorTraining
from tests.core.training.samples import CATEGORIES, draw_rectangles, pico_recipe
from tests.core.training.test_detector import batch_of, run, same, training_of

NAMES = [name for name in detector_names() if not has_anchors(name)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Four pictures of a red and a blue rectangle each. Do not change."""
    return draw_rectangles(tmp_path_factory.mktemp("drawn"), 4)


@pytest.mark.parametrize("model", NAMES)
def test_the_loss_of_one_batch_goes_down(model, drawn):
    module = training_of(model=model)
    batch = batch_of(drawn)
    optimizer = torch.optim.AdamW(module.parameters(), lr=4e-3)
    losses = []
    for step in range(24):
        torch.manual_seed(step)
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < losses[0] / 2


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(drawn, tmp_path):
    """Of the one that draws its regions at random."""
    run(drawn, tmp_path / "unbroken", model="faster-rcnn", epochs=2)
    with pytest.raises(InterruptedError):
        run(drawn, tmp_path / "stopped", stop_before=1, model="faster-rcnn", epochs=2)
    run(drawn, tmp_path / "stopped", resume=True, model="faster-rcnn", epochs=2)
    first, second = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("unbroken", "stopped")
    )
    assert same(first["state_dict"], second["state_dict"])
    assert same(*(saved["current_model_state"] for saved in (first, second)))


@pytest.mark.parametrize("model", NAMES)
def test_it_starts_from_yolov4s_backbone_and_freezes_its_stages(model, drawn):
    module = training_of(model=model, frozen_stages=2).train()
    backbone = Backbone(PRESETS["pico"], ghost=False).state_dict()
    module.load_pretrained(backbone)
    module.on_train_epoch_start()
    module.training_step(batch_of(drawn), 0).backward()
    trunk = module.model.backbone.body
    assert same(_part(trunk.state_dict(), "stem"), _part(backbone, "stem"))
    assert trunk.stem[0].weight.grad is None and trunk.stages[1][0][0].weight.grad is None
    assert trunk.stages[2][0][0].weight.grad is not None


def _part(state, prefix):
    return {name: value for name, value in state.items() if name.startswith(prefix)}


def test_a_network_of_other_stages_freezes_none():
    with torch.device("meta"), pytest.raises(RecipeError, match="ssd full has no stages that can be frozen"):
        DetectorTraining(pico_recipe(model="ssd", preset="full", frozen_stages=1), CATEGORIES, ())
