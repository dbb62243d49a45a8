"""Distillation from the champion: zero where both agree, left out where an annotation contradicts it."""

from __future__ import annotations

import pytest
import torch

from core.anchors import STRIDES
from core.models.detection import Targets
from core.training.finetune.distillation_loss import classifier_distillation_loss as classifier_loss
from core.training.finetune.distillation_loss import detector_distillation_loss as detector_loss
from tests.core.models.encoded import encode_boxes

ANCHORS = torch.tensor([[[16.0, 16.0]] * 3, [[24.0, 24.0]] * 3, [[40.0, 40.0]] * 3])
BOX = torch.tensor([[20.0, 20.0, 44.0, 44.0]])


def empty_maps(classes: int = 2) -> list[torch.Tensor]:
    """Raw maps of one 64 x 64 picture without a garment."""
    maps = [torch.zeros(1, 3, 64 // stride, 64 // stride, 5 + classes) for stride in STRIDES]
    for level in maps:
        level[..., 4:] = -6.0
    return maps


def predicting(category: int, cell_index: tuple[int, int, int, int] = (1, 1, 1, 2)) -> list[torch.Tensor]:
    """Maps that predict the box at a cell (scale, anchor, row, column), in this category."""
    scale, anchor, row, column = cell_index
    maps = empty_maps()
    cell = torch.tensor([[float(column), float(row)]])
    maps[scale][0, anchor, row, column, :4] = encode_boxes(BOX, ANCHORS[scale, anchor][None], cell, scale)
    maps[scale][0, anchor, row, column, 4] = 4.0
    maps[scale][0, anchor, row, column, 5 + category] = 4.0
    return maps


def annotated(*categories: int) -> Targets:
    count = len(categories)
    return Targets(torch.zeros(count).long(), torch.tensor(categories).long(), BOX.expand(count, 4))


def test_the_loss_of_equal_outputs_is_zero() -> None:
    maps = predicting(0)
    assert detector_loss(maps, maps, ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)


def test_a_prediction_that_an_annotator_removed_is_left_out() -> None:
    nothing = annotated()
    assert detector_loss(empty_maps(), predicting(0), ANCHORS, nothing).item() == pytest.approx(0.0, abs=1e-4)


def test_an_agreed_box_is_distilled_but_not_its_changed_category() -> None:
    cell_index = (1, 1, 1, 1)  # beside the cell that the box is assigned to
    maps, champion = empty_maps(), predicting(0, cell_index)
    maps[1][0, 1, 1, 1, :5] = champion[1][0, 1, 1, 1, :5]
    agreed = detector_loss(maps, champion, ANCHORS, annotated(0)).item()
    changed = detector_loss(maps, champion, ANCHORS, annotated(1)).item()
    assert agreed > 1.0 and changed == pytest.approx(0.0, abs=1e-4)


def test_a_garment_that_the_champion_missed_is_left_out() -> None:
    maps = empty_maps()
    maps[1][0, :, 2, 2, 4] = 5.0  # the cells that the box is assigned to
    assert detector_loss(maps, empty_maps(), ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)


def test_new_objectness_elsewhere_is_penalized_and_new_classes_are_ignored() -> None:
    maps = [torch.cat((level, torch.full_like(level[..., :1], 3.0)), dim=-1) for level in empty_maps()]
    assert detector_loss(maps, empty_maps(), ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)
    maps[0][0, 0, 6, 6, 4] = 3.0
    assert detector_loss(maps, empty_maps(), ANCHORS, annotated(0)).item() > 1.0


def test_the_classifier_is_distilled_where_the_champion_is_right() -> None:
    logits, teacher = torch.tensor([[0.0, 0.0, 9.0]] * 2), torch.tensor([[4.0, 0.0]] * 2)
    right, wrong = torch.tensor([0, 0]), torch.tensor([1, 2])
    assert classifier_loss(logits, teacher, wrong).item() == 0.0
    assert classifier_loss(logits, teacher, right).item() > 0.5
    assert classifier_loss(teacher, teacher, right).item() == pytest.approx(0.0, abs=1e-6)
    assert classifier_loss(logits, teacher, None).item() == classifier_loss(logits, teacher, right).item()


def test_equal_boxes_by_other_anchors_than_the_champions_cost_nothing() -> None:
    maps, champion = predicting(0), predicting(0)
    own = ANCHORS * 1.2
    for level in maps:
        level[..., 2:4] -= torch.tensor(1.2).log()
    assert detector_loss(maps, champion, own, annotated(0), ANCHORS).item() == pytest.approx(0.0, abs=1e-4)
    assert detector_loss(maps, champion, own, annotated(0)).item() > 0.1  # read by the wrong anchors
