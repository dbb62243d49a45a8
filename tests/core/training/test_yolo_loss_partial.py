"""Photos whose dataset labels only some categories: what the loss leaves out, and what it does not."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from core.anchors import STRIDES
from core.models.decode import decode_boxes
from core.models.detection import Targets
from core.training.yolo_loss import LabeledCategories, PaddedTargets, YoloLoss, best_iou

CLASSES, SIZE = 3, 96
ANCHORS_WH = torch.tensor([[(8.0, 10.0), (14.0, 12.0), (64.0, 70.0)],
                           [(22.0, 30.0), (40.0, 24.0), (44.0, 52.0)],
                           [(60.0, 50.0), (70.0, 88.0), (92.0, 90.0)]])  # fmt: skip
LOSS = YoloLoss(1.0, 0.5, 1.0, "iou")


def some_raw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, 0, 0, 5 + CLASSES)
    return [
        (0.3 * torch.randn(*shape[:2], SIZE // s, SIZE // s, shape[4], generator=generator)).requires_grad_()
        for s in STRIDES
    ]


def some_targets():
    boxes = torch.tensor([(8, 8, 72, 78), (70, 60, 96, 96), (3, 4, 12, 15)], dtype=torch.float32)
    return Targets(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), boxes)


def labeled(first, second):
    return torch.tensor([first, second])


def values(losses):
    return {name: value.item() for name, value in losses.items()}


def test_labeling_everything_changes_nothing():
    everything = LabeledCategories.of(torch.ones(2, CLASSES, dtype=torch.bool), ignore_score=0.0)
    expected = values(LOSS(some_raw(), ANCHORS_WH, some_targets()))
    assert values(LOSS(some_raw(), ANCHORS_WH, some_targets(), everything)) == pytest.approx(expected)


def test_padded_garments_count_as_the_listed_ones_do():
    targets = some_targets()
    padded = PaddedTargets.of(targets, 2)
    assert padded.valid.tolist() == [[True, True], [True, False]]
    assert padded.classes[1, 0] == 1 and padded.boxes_xyxy[1, 0].tolist() == [3, 4, 12, 15]
    wider = PaddedTargets(
        F.pad(padded.classes, (0, 3), value=2), F.pad(padded.boxes_xyxy, (0, 0, 0, 3), value=1.0),
        F.pad(padded.valid, (0, 3)),
    )  # fmt: skip
    wider.boxes_xyxy[:, 2:, 2:] = 50.0
    expected = values(LOSS(some_raw(), ANCHORS_WH, targets))
    assert values(LOSS(some_raw(), ANCHORS_WH, padded)) == pytest.approx(expected)
    assert values(LOSS(some_raw(), ANCHORS_WH, wider)) == pytest.approx(expected)


def test_class_terms_of_a_category_that_is_not_labeled_are_gone():
    """Against the loss with the category's logits cut out of the picture that does not label it."""
    raw, targets = some_raw(), some_targets()
    mask = labeled([True, True, False], [True, True, True])
    got = LOSS(raw, ANCHORS_WH, targets, LabeledCategories.of(mask, ignore_score=1.1))
    full = values(LOSS(raw, ANCHORS_WH, targets))
    cut = [torch.cat((level[..., :7], level[..., 7:].detach()), dim=-1) for level in raw]
    for level in cut:
        level.data[0, ..., 7] = -200.0  # its cross-entropy is 0 where another category is right
    expected = values(LOSS(cut, ANCHORS_WH, targets))
    assert got["class"].item() == pytest.approx(expected["class"], rel=1e-5)
    assert got["class"].item() < full["class"]
    assert got["objectness"].item() == pytest.approx(full["objectness"], rel=1e-6)
    assert got["box"].item() == pytest.approx(full["box"], rel=1e-6)
    got["loss"].backward()
    assert all(not level.grad[0, ..., 7].any() for level in raw)
    assert any(level.grad[1, ..., 7].any() for level in raw)


def test_the_class_loss_is_the_sum_over_labeled_categories_alone_by_hand():
    """One garment of class 0, the same logits wherever it is looked for: two of three cross-entropies."""
    raw = [torch.zeros(1, 3, SIZE // s, SIZE // s, 5 + CLASSES) for s in STRIDES]
    for level in raw:
        level[..., 5:] = torch.tensor([2.0, -1.0, 3.0])
    box, loss = torch.tensor([[2.0, 2.0, 94.0, 92.0]]), YoloLoss()
    wanted = math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0)) + math.log1p(math.exp(3.0))
    targets = Targets(torch.tensor([0]), torch.tensor([0]), box)
    assert loss(raw, ANCHORS_WH, targets)["class"].item() == pytest.approx(wanted)
    partial = replace(targets, labeled=torch.tensor([[True, True, False]]))
    labeled_only = math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))
    assert loss(raw, ANCHORS_WH, partial)["class"].item() == pytest.approx(labeled_only)


def test_targets_say_what_their_pictures_label():
    raw, mask = confident(2), labeled([True, True, False], [True, True, False])
    said = LOSS(raw, ANCHORS_WH, replace(some_targets(), labeled=mask))
    passed = LOSS(raw, ANCHORS_WH, some_targets(), LabeledCategories.of(mask))
    assert values(said) == pytest.approx(values(passed))
    assert said["objectness"] < LOSS(raw, ANCHORS_WH, some_targets())["objectness"]
    assert replace(some_targets(), labeled=mask).to(torch.device("cpu")).labeled is mask


def confident(category, objectness=4.0, place=(1, 0, 1, 1)):
    """Raw maps where one cell of picture 1 sees a garment of a category far from the labeled one."""
    raw = [level.detach() for level in some_raw()]
    picture, anchor, row, column = place
    raw[2][picture, anchor, row, column, 4] = objectness
    raw[2][picture, anchor, row, column, 5:] = -6.0
    raw[2][picture, anchor, row, column, 5 + category] = 6.0
    return [level.requires_grad_() for level in raw]


@pytest.mark.parametrize(
    ("category", "complete", "ignore_score", "taught"),
    [
        (2, [True, True, False], 0.3, False),  # not labeled, and confident
        (2, [True, True, False], 0.999, True),  # not confident enough
        (1, [True, True, False], 0.3, True),  # a labeled category that is not there
        (2, [True, True, True], 0.3, True),
    ],
)
def test_where_an_unlabeled_garment_may_be_nothing_is_taught(category, complete, ignore_score, taught):
    raw = confident(category)
    mask = labeled([True] * 3, complete)
    ignore_scores = torch.full((2,), ignore_score)
    losses = LOSS(
        raw, ANCHORS_WH, some_targets(), LabeledCategories(torch.ones(2, 3).bool(), mask, ignore_scores)
    )
    losses["loss"].backward()
    assert bool(raw[2].grad[1, 0, 1, 1, 4] != 0) is taught
    assert raw[2].grad[1, 1, 1, 1, 4] != 0  # its neighbors are taught as ever


def test_another_category_in_a_labeled_garments_place_is_no_excuse():
    raw = confident(2, place=(0, 1, 1, 1))
    box = decode_boxes(raw[2].detach(), ANCHORS_WH[2], 2)[0, 1, 1, 1]
    targets = Targets(torch.tensor([0]), torch.tensor([0]), (box + torch.tensor([9.0, 4.0, 9.0, 4.0]))[None])
    overlap = best_iou(box.expand(2, 1, 4), PaddedTargets.of(targets, 2))
    assert 0.5 < overlap[0, 0] <= 1 and overlap[1, 0] == 0
    # The cell answers for no garment here: the target's best anchors lie elsewhere or are positive anyway.
    mask = labeled([True, True, False], [True] * 3)
    LOSS(raw, ANCHORS_WH, targets, LabeledCategories.of(mask))["loss"].backward()
    full = confident(2, place=(0, 1, 1, 1))
    LOSS(full, ANCHORS_WH, targets)["loss"].backward()
    assert torch.equal(raw[2].grad[0, 1, 1, 1, 4], full[2].grad[0, 1, 1, 1, 4])


def test_a_garment_that_is_labeled_is_taught_whatever_is_in_doubt():
    raw, targets = some_raw(), some_targets()
    nothing = LabeledCategories.of(torch.zeros(2, CLASSES, dtype=torch.bool), ignore_score=0.0)
    losses = LOSS(raw, ANCHORS_WH, targets, nothing)
    assert losses["class"].item() == 0 and losses["box"].item() > 0 and losses["objectness"].item() > 0
    assert losses["objectness"].item() < LOSS(raw, ANCHORS_WH, targets)["objectness"].item()
