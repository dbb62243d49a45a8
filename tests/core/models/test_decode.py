import math

import pytest
import torch

from core.anchors import STRIDES
from core.models.decode import (
    GRID_SCALES,
    MAX_LOG_SIZE,
    decode,
    decode_boxes,
    grid_cells,
)
from tests.core.models.encoded import encode_boxes

ANCHORS_WH = torch.tensor(
    [[(8.0 * s, 12.0 * s), (16.0 * s, 10.0 * s), (20.0 * s, 30.0 * s)] for s in (1, 2, 4)]
)


def random_raw(batch=2, size_hw=(64, 96), classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, 3, size_hw[0] // s, size_hw[1] // s, 5 + classes, generator=generator)
        for s in STRIDES
    ]


def test_cells_are_named_by_column_then_row():
    cells = grid_cells(2, 3)
    assert cells.shape == (2, 3, 2)
    assert cells[1, 2].tolist() == [2, 1]


def test_a_box_by_hand():
    # Stride 16, s = 1.1, column 3, row 1; sigmoid(0) = 0.5, sigmoid(log 3) = 0.75; the anchor is 32 x 20.
    raw = torch.zeros(1, 3, 2, 4, 5)
    raw[0, 1, 1, 3, :4] = torch.tensor([0.0, math.log(3.0), math.log(2.0), math.log(0.5)])
    box = decode_boxes(raw, ANCHORS_WH[1], 1)[0, 1, 1, 3]
    x = 16 * (1.1 * 0.5 - 0.05 + 3)  # 56
    y = 16 * (1.1 * 0.75 - 0.05 + 1)  # 28.4
    assert box.tolist() == pytest.approx([x - 32, y - 5, x + 32, y + 5], abs=1e-4)
    assert (x, y) == (pytest.approx(56), pytest.approx(28.4))


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_a_cell_reaches_a_little_over_its_borders(scale):
    raw = torch.zeros(1, 3, 1, 1, 4)
    raw[..., 0], raw[..., 1] = -40.0, 40.0
    box = decode_boxes(raw, ANCHORS_WH[scale], scale)[0, 0, 0, 0]
    over = (GRID_SCALES[scale] - 1) / 2
    assert ((box[0] + box[2]) / 2).item() == pytest.approx(-over * STRIDES[scale], abs=1e-3)
    assert ((box[1] + box[3]) / 2).item() == pytest.approx((1 + over) * STRIDES[scale], abs=1e-3)


@pytest.mark.parametrize("scale", [0, 1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_encoded_boxes_decode_to_themselves(scale, seed):
    generator = torch.Generator().manual_seed(seed)
    rows, columns, stride = 6, 9, STRIDES[scale]
    count = 40
    cells_xy = torch.stack(
        [torch.randint(0, n, (count,), generator=generator) for n in (columns, rows)], dim=1
    ).float()
    center = (cells_xy + torch.rand(count, 2, generator=generator)) * stride
    size = torch.exp(torch.rand(count, 2, generator=generator) * 5)  # 1 to 148 pixels
    boxes = torch.cat((center - size / 2, center + size / 2), dim=1)
    anchor = torch.randint(0, 3, (count,), generator=generator)
    raw = torch.zeros(count, 3, rows, columns, 4)
    place = (torch.arange(count), anchor, cells_xy[:, 1].long(), cells_xy[:, 0].long())
    raw[place] = encode_boxes(boxes, ANCHORS_WH[scale][anchor], cells_xy, scale)
    assert torch.allclose(decode_boxes(raw, ANCHORS_WH[scale], scale)[place], boxes, atol=2e-3)


def test_a_center_out_of_the_cells_reach_is_clamped_and_finite():
    box = torch.tensor([[100.0, 100.0, 110.0, 110.0]])
    encoded = encode_boxes(box, ANCHORS_WH[0][:1], torch.tensor([[0.0, 0.0]]), 0)
    assert bool(torch.isfinite(encoded).all())


def test_wild_sizes_stay_finite():
    raw = torch.full((1, 3, 1, 1, 4), 1000.0)
    boxes = decode_boxes(raw, ANCHORS_WH[0], 0)
    assert bool(torch.isfinite(boxes).all())
    width = boxes[0, 0, 0, 0, 2] - boxes[0, 0, 0, 0, 0]
    assert width.item() == pytest.approx(8 * math.exp(MAX_LOG_SIZE), rel=1e-4)
    least = decode_boxes(-raw, ANCHORS_WH[0], 0)
    assert bool((least[..., 2:] > least[..., :2]).all())


def test_every_cell_and_anchor_gives_a_box_with_objectness_times_class():
    raw = random_raw()
    boxes, scores = decode(raw, ANCHORS_WH)
    count = 3 * sum((64 // s) * (96 // s) for s in STRIDES)
    assert boxes.shape == (2, count, 4) and scores.shape == (2, count, 3)
    # The second scale's anchor 2, row 1, column 4: after the first scale's 288 boxes, 2 * 24 + 1 * 6 + 4 on.
    where = 3 * 8 * 12 + 2 * 24 + 1 * 6 + 4
    logits = raw[1][1, 2, 1, 4, 4:]
    assert torch.allclose(scores[1, where], logits[0].sigmoid() * logits[1:].sigmoid())
    assert torch.equal(boxes[1, where], decode_boxes(raw[1], ANCHORS_WH[1], 1)[1, 2, 1, 4])


def test_a_batch_decodes_as_its_pictures_alone():
    raw = random_raw(batch=3)
    boxes, scores = decode(raw, ANCHORS_WH)
    for index in range(3):
        alone = decode([level[index : index + 1] for level in raw], ANCHORS_WH)
        assert torch.equal(alone[0][0], boxes[index]) and torch.equal(alone[1][0], scores[index])
