import copy
import json

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from core.boxes import GroundTruth
from core.datasets.detection import DetectionDataset
from core.errors import WeightsError
from core.evaluation.detection import evaluate_detection
from core.inference.detector import Detector
from core.models.cards import read_card
from core.models.decode import decode
from core.models.nms import nms
from core.models.yolov4 import PRESETS, Backbone
from core.training.datasets import DetectionTrainingDataset, DetectionValidationDataset, collate
from core.training.detector import DetectorData, DetectorTraining, build_detector, export_detector
from core.training.trainer import fit
from tests.core.training.samples import ANCHORS_WH, CATEGORIES, draw_rectangles, pico_recipe


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Four pictures of a red and a blue rectangle each. Do not change."""
    return draw_rectangles(tmp_path_factory.mktemp("drawn"), 4)


def training_of(**changes):
    torch.manual_seed(0)
    module = DetectorTraining(pico_recipe(**changes), CATEGORIES, ANCHORS_WH)
    module.log = lambda *_, **__: None
    return module


def batch_of(dataset, input_wh=(64, 64)):
    photos = DetectionValidationDataset(dataset, input_wh)
    return collate([photos[index] for index in range(len(photos))])


def same(state, other):
    """Whether two states hold the same names and values."""
    return state.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in state.items())


def test_a_new_detector_is_unsure_and_expects_few_garments():
    torch.manual_seed(0)
    model = build_detector(pico_recipe(), 2, ANCHORS_WH).eval()
    for level in model(torch.rand(1, 3, 64, 64)):
        assert level[..., 4].sigmoid().mean().item() == pytest.approx(0.01, rel=0.5)
        assert level[..., 5:].sigmoid().mean().item() == pytest.approx(0.05, rel=0.5)
    assert build_detector(pico_recipe(model="yolov4"), 2, ANCHORS_WH).ghost is False


def test_a_detector_learns_one_batch_by_heart(drawn):
    module = training_of(box_weight=1.0)
    batch = batch_of(drawn)
    optimizer = torch.optim.AdamW(module.parameters(), lr=8e-3)
    losses = []
    for _ in range(80):
        loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < losses[0] / 10
    # Batch norm's own averages lag behind so few steps: it is measured with the batch's.
    with torch.no_grad():
        boxes, scores = decode(module.model(batch[0].float() / 255), module.model.anchors_wh)
    found, truths = [], []
    for index in range(4):
        found.append(nms(boxes[index], scores[index], score_threshold=0.05))
        mine = batch[1].images == index
        truths.append(GroundTruth(batch[1].boxes_xyxy[mine].numpy(), batch[1].classes[mine].numpy()))
    assert evaluate_detection(found, truths, CATEGORIES, 0.25, n_bootstrap=0).map50 > 0.9


def test_on_a_smaller_canvas_the_anchors_shrink_with_it(drawn):
    module = training_of(input_wh=(64, 128)).eval()
    pictures, targets = batch_of(drawn, (32, 64))
    raw = module.model(pictures.float() / 255)
    expected = module.objective.loss(raw, module.model.anchors_wh / 2, targets)["loss"]
    assert module.training_step((pictures, targets), 0).item() == pytest.approx(expected.item())


def test_frozen_stages_stay_as_they_were(drawn):
    module = training_of(frozen_stages=2).train()
    module.on_train_epoch_start()
    backbone = module.model.backbone
    frozen = torch.nn.ModuleList([backbone.stem, *backbone.stages[:2]])
    before = copy.deepcopy(frozen.state_dict())
    later = backbone.stages[2].state_dict()["0.primary.1.running_mean"].clone()
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.01)
    module.training_step(batch_of(drawn), 0).backward()
    optimizer.step()
    assert same(frozen.state_dict(), before)
    assert not torch.equal(backbone.stages[2].state_dict()["0.primary.1.running_mean"], later)


def test_a_backbone_or_a_whole_detector_can_be_started_from():
    module, other = training_of(), training_of()
    backbone = Backbone(PRESETS["pico"], ghost=True).state_dict()
    module.load_pretrained(backbone)
    assert same(module.model.backbone.state_dict(), backbone)
    other.load_pretrained(module.model.state_dict())
    assert same(other.model.state_dict(), module.model.state_dict())


def test_a_backbone_of_another_size_is_refused():
    module = training_of()
    with pytest.raises(WeightsError, match="the pretrained file belongs to another model"):
        module.load_pretrained(Backbone(PRESETS["nano"], ghost=True).state_dict())
    with pytest.raises(WeightsError, match="the pretrained file belongs to another model"):
        module.load_pretrained(Backbone(PRESETS["pico"], ghost=False).state_dict())


def run(drawn, out, *, stop_before=None, resume=False, workers=0, **changes):
    """Epochs of the smallest detector; ``stop_before`` ends it as a killed process would."""
    recipe = pico_recipe(mosaic=0.5, **changes)
    torch.manual_seed(0)
    module = DetectorTraining(recipe, CATEGORIES, ANCHORS_WH)
    if stop_before is not None:

        def stop(batch, index):
            if module.current_epoch == stop_before:
                raise InterruptedError

        module.on_train_batch_start = stop
    fit(
        module,
        DetectorData(DetectionTrainingDataset([drawn], recipe), drawn, recipe, workers),
        epochs=recipe.epochs,
        out=out,
        monitor="val_map50",
        export=export_detector({"commit": "abc"}),
        ema_decay=recipe.ema_decay,
        device="cpu",
        precision="32-true",
        resume=resume,
        validate_every=recipe.validate_every,
        progress_bar=False,
    )
    return module


@pytest.fixture(scope="module")
def trained(drawn, tmp_path_factory):
    """A run of three epochs, the first on a canvas of half the size."""
    out = tmp_path_factory.mktemp("trained")
    run(drawn, out, small_wh=(32, 32), small_epochs=1)
    return out


def test_a_stopped_detector_goes_on_as_if_it_had_not_been_stopped(drawn, trained, tmp_path):
    """And that with a loader's worker, which fetches ahead, where the unbroken run had none."""
    changes = {"small_wh": (32, 32), "small_epochs": 1}
    with pytest.raises(InterruptedError):
        run(drawn, tmp_path, stop_before=2, workers=1, **changes)
    run(drawn, tmp_path, resume=True, workers=1, **changes)
    histories = []
    for out in (trained, tmp_path):
        lines = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
        histories.append([{k: v for k, v in line.items() if k != "seconds"} for line in lines])
    assert histories[0] == histories[1] and len(histories[0]) == 3
    first, second = (torch.load(out / "last.ckpt", weights_only=True) for out in (trained, tmp_path))
    assert same(first["state_dict"], second["state_dict"])
    assert same(*(saved["current_model_state"] for saved in (first, second)))


def test_a_trained_detectors_card_tells_all_that_loading_it_takes(drawn, trained):
    card = read_card(trained / "final.safetensors")
    assert (card.kind, card.model, card.preset) == ("detector", "yolov4-gs", "pico")
    assert card.categories == CATEGORIES and card.input_size == 64
    assert np.allclose(card.anchors_wh, ANCHORS_WH)
    assert card.training["epoch"] == 3 and card.training["commit"] == "abc"
    assert card.training["recipe"]["mosaic"] == 0.5
    detector = Detector.load(trained / "final.safetensors")
    assert detector.card == card


def test_weights_kept_from_a_small_canvas_have_its_size_and_anchors(drawn, tmp_path):
    module = run(drawn, tmp_path, small_wh=(32, 32), small_epochs=9, epochs=1)
    card = read_card(tmp_path / "final.safetensors")
    assert card.input_size == 32
    assert np.allclose(card.anchors_wh, np.array(ANCHORS_WH) / 2)
    assert module.detections == module.truths == []


def test_validation_sees_a_photo_without_garments(drawn):
    bare = [type(p)(p.file_name, p.width, p.height, np.zeros((0, 4)), []) for p in drawn.photos]
    empty = DetectionDataset(CATEGORIES, (drawn.photos[0], *bare[1:]), drawn.folder)
    recipe, module = pico_recipe(), DetectorTraining(pico_recipe(), CATEGORIES, ANCHORS_WH)
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    data = DetectorData(DetectionTrainingDataset([drawn], recipe), empty, recipe)
    figures = trainer.validate(module, datamodule=data, verbose=False)[0]
    assert 0 <= figures["val_map50"] <= 1 and np.isfinite(figures["val_loss"])
