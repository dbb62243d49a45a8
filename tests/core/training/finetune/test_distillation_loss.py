"""The guard: nothing to say where both agree, silent where a person contradicts the champion."""

from __future__ import annotations

import pytest
import torch

from core.models.decode import encode_boxes
from core.models.yolov4 import STRIDES
from core.training.finetune.distillation_loss import classifier_guard, detector_guard
from core.training.yolo_loss import Targets

ANCHORS = torch.tensor([[[16.0, 16.0]] * 3, [[24.0, 24.0]] * 3, [[40.0, 40.0]] * 3])
BOX = torch.tensor([[20.0, 20.0, 44.0, 44.0]])


def quiet_maps(classes: int = 2) -> list[torch.Tensor]:
    """Raw maps of one 64 x 64 picture in which there is nothing."""
    maps = [torch.zeros(1, 3, 64 // stride, 64 // stride, 5 + classes) for stride in STRIDES]
    for level in maps:
        level[..., 4:] = -6.0
    return maps


def claiming(category: int, place: tuple[int, int, int, int] = (1, 1, 1, 2)) -> list[torch.Tensor]:
    """Maps that claim the box at a cell (scale, anchor, row, column), in this category."""
    scale, anchor, row, column = place
    maps = quiet_maps()
    cell = torch.tensor([[float(column), float(row)]])
    maps[scale][0, anchor, row, column, :4] = encode_boxes(BOX, ANCHORS[scale, anchor][None], cell, scale)
    maps[scale][0, anchor, row, column, 4] = 4.0
    maps[scale][0, anchor, row, column, 5 + category] = 4.0
    return maps


def annotated(*categories: int) -> Targets:
    count = len(categories)
    return Targets(torch.zeros(count).long(), torch.tensor(categories).long(), BOX.expand(count, 4))


def test_who_says_the_same_hears_nothing() -> None:
    maps = claiming(0)
    assert detector_guard(maps, maps, ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)


def test_a_claim_that_a_person_removed_is_not_heard() -> None:
    nobody = annotated()
    assert detector_guard(quiet_maps(), claiming(0), ANCHORS, nobody).item() == pytest.approx(0.0, abs=1e-4)


def test_a_claim_that_a_person_shares_is_heard_but_not_its_changed_category() -> None:
    place = (1, 1, 1, 1)  # beside the cell that answers for the box itself
    maps, champion = quiet_maps(), claiming(0, place)
    maps[1][0, 1, 1, 1, :5] = champion[1][0, 1, 1, 1, :5]
    agreed = detector_guard(maps, champion, ANCHORS, annotated(0)).item()
    changed = detector_guard(maps, champion, ANCHORS, annotated(1)).item()
    assert agreed > 1.0 and changed == pytest.approx(0.0, abs=1e-4)


def test_a_garment_that_the_champion_missed_is_learned_freely() -> None:
    maps = quiet_maps()
    maps[1][0, :, 2, 2, 4] = 5.0  # the cells that answer for the box
    assert detector_guard(maps, quiet_maps(), ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)


def test_new_objectness_elsewhere_is_held_back_and_new_classes_are_not_its_business() -> None:
    maps = [torch.cat((level, torch.full_like(level[..., :1], 3.0)), dim=-1) for level in quiet_maps()]
    assert detector_guard(maps, quiet_maps(), ANCHORS, annotated(0)).item() == pytest.approx(0.0, abs=1e-4)
    maps[0][0, 0, 6, 6, 4] = 3.0
    assert detector_guard(maps, quiet_maps(), ANCHORS, annotated(0)).item() > 1.0


def test_the_classifier_s_guard_hears_the_champion_where_it_is_right() -> None:
    logits, taught = torch.tensor([[0.0, 0.0, 9.0]] * 2), torch.tensor([[4.0, 0.0]] * 2)
    right, wrong = torch.tensor([0, 0]), torch.tensor([1, 2])
    assert classifier_guard(logits, taught, wrong).item() == 0.0
    assert classifier_guard(logits, taught, right).item() > 0.5
    assert classifier_guard(taught, taught, right).item() == pytest.approx(0.0, abs=1e-6)
    assert classifier_guard(logits, taught, None).item() == classifier_guard(logits, taught, right).item()
