import math

import pytest
import torch

from core.anchors import STRIDES
from core.models.decode import GRID_SCALES
from core.models.detection import Targets
from core.training.yolo_loss import YoloLoss, assign, size_iou

CLASSES = 3
ANCHORS_WH = torch.tensor([[(8.0, 10.0), (14.0, 12.0), (64.0, 70.0)],
                           [(22.0, 30.0), (40.0, 24.0), (44.0, 52.0)],
                           [(60.0, 50.0), (70.0, 88.0), (92.0, 90.0)]])  # fmt: skip
SIZE = 96


def some_raw(batch=2, spread=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            spread * torch.randn(batch, 3, SIZE // s, SIZE // s, 5 + CLASSES, generator=generator)
        ).requires_grad_()
        for s in STRIDES
    ]


def some_targets():
    """Two garments in one place, one at the border and one over it; the third picture has none."""
    boxes = [
        (8, 8, 72, 78), (9, 7, 71, 79), (70, 60, 96, 96), (3, 4, 12, 15), (20, 16, 63, 68), (94, 0, 98, 6),
    ]  # fmt: skip
    return Targets(
        torch.tensor([0, 0, 0, 1, 1, 1]),
        torch.tensor([0, 2, 1, 1, 2, 0]),
        torch.tensor(boxes, dtype=torch.float32),
    )


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def ciou(a, b):
    """Zheng et al. 2020: IoU - squared distance of centers / squared diagonal - alpha v."""
    (aw, ah), (bw, bh) = ((box[2] - box[0], box[3] - box[1]) for box in (a, b))
    distance = sum(((a[i] + a[i + 2] - b[i] - b[i + 2]) / 2) ** 2 for i in (0, 1))
    diagonal = sum((max(a[i + 2], b[i + 2]) - min(a[i], b[i])) ** 2 for i in (0, 1))
    v = 4 / math.pi**2 * (math.atan(bw / bh) - math.atan(aw / ah)) ** 2
    overlap = iou(a, b)
    return overlap - distance / diagonal - v / (1 - overlap + v) * v


def cross_entropy(logit, wanted):
    probability = 1 / (1 + math.exp(-logit))
    return -wanted * math.log(probability) - (1 - wanted) * math.log(1 - probability)


def box_at(raw, scale, b, a, y, x):
    t = raw[scale][b, a, y, x].tolist()
    s, stride = GRID_SCALES[scale], STRIDES[scale]
    cx, cy = (
        stride * (s / (1 + math.exp(-v)) - (s - 1) / 2 + cell) for v, cell in zip(t, (x, y), strict=False)
    )
    w, h = (anchor * math.exp(v) for anchor, v in zip(ANCHORS_WH[scale, a].tolist(), t[2:4], strict=True))
    return (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)


def positives_by_loops(targets):
    """(target, scale, anchor, row, column): the best of nine anchors by size, and all others above 0.213."""
    found = []
    for index, box in enumerate(targets.boxes_xyxy.tolist()):
        w, h = box[2] - box[0], box[3] - box[1]
        overlaps = [iou((0, 0, w, h), (0, 0, *anchor)) for anchor in ANCHORS_WH.flatten(0, 1).tolist()]
        for place, overlap in enumerate(overlaps):
            if overlap > 0.213 or overlap == max(overlaps):
                scale = place // 3
                cells = SIZE // STRIDES[scale]
                column, row = (
                    min(int((box[i] + box[i + 2]) / 2 / STRIDES[scale]), cells - 1) for i in (0, 1)
                )
                found.append((index, scale, place % 3, row, column))
    return found


def loss_by_loops(raw, targets, objectness_target, smoothing):
    """Every term one by one; also how many places were ignored."""
    boxes, classes = targets.boxes_xyxy.tolist(), targets.classes.tolist()
    positives = positives_by_loops(targets)
    wanted, sums, ignored = {}, {"box": 0.0, "class": 0.0, "objectness": 0.0}, 0
    for index, scale, a, y, x in positives:
        b = int(targets.images[index])
        value = ciou(box_at(raw, scale, b, a, y, x), boxes[index])
        sums["box"] += 1 - value
        for c in range(CLASSES):
            label = (c == classes[index]) * (1 - smoothing) + smoothing / CLASSES
            sums["class"] += cross_entropy(raw[scale][b, a, y, x, 5 + c].item(), label)
        place = (scale, b, a, y, x)
        goal = 1.0 if objectness_target == "one" else min(max(value, 0.0), 1.0)
        wanted[place] = max(wanted.get(place, 0.0), goal)
    for scale, level in enumerate(raw):
        for b, a, y, x in torch.cartesian_prod(*(torch.arange(n) for n in level.shape[:4])).tolist():
            goal = wanted.get((scale, b, a, y, x))
            mine = [boxes[i] for i in range(len(boxes)) if targets.images[i] == b]
            box = box_at(raw, scale, b, a, y, x)
            if goal is None and any(iou(box, other) > 0.7 for other in mine):
                ignored += 1
                continue
            sums["objectness"] += cross_entropy(level[b, a, y, x, 4].item(), goal or 0.0)
    count = max(len(positives), len(raw[0]))
    return {name: value / count for name, value in sums.items()}, ignored


@pytest.mark.parametrize(("objectness_target", "smoothing"), [("one", 0.0), ("iou", 0.1)])
def test_the_loss_is_that_of_slow_loops(objectness_target, smoothing):
    raw, targets = some_raw(batch=3), some_targets()
    expected, ignored = loss_by_loops(raw, targets, objectness_target, smoothing)
    loss = YoloLoss(0.07, 0.5, 2.0, objectness_target, smoothing)(raw, ANCHORS_WH, targets)
    assert ignored > 0, "the case should have a good box that no garment was given to"
    for name, value in expected.items():
        assert loss[name].item() == pytest.approx(value, rel=1e-4), name
    total = 0.07 * expected["box"] + 0.5 * expected["class"] + 2.0 * expected["objectness"]
    assert loss["loss"].item() == pytest.approx(total, rel=1e-4)


def test_garments_are_given_to_the_anchors_of_slow_loops():
    targets = some_targets()
    found = []
    for scale, part in enumerate(assign(targets, ANCHORS_WH, [(SIZE // s, SIZE // s) for s in STRIDES])):
        rows = zip(part.targets, part.anchors, part.rows, part.columns, strict=True)
        found += [(int(t), scale, int(a), int(y), int(x)) for t, a, y, x in rows]
    assert sorted(found) == sorted(positives_by_loops(targets))
    assert {index for index, *_ in found} == set(range(6))  # even the one outside all thresholds


def test_sizes_overlap_as_boxes_that_share_a_corner():
    overlap = size_iou(torch.tensor([[2.0, 4.0], [1.0, 1.0]]), torch.tensor([[4.0, 2.0], [2.0, 4.0]]))
    assert overlap.flatten().tolist() == pytest.approx([4 / 12, 1.0, 1 / 8, 1 / 8])


@pytest.mark.parametrize("objectness_target", ["one", "iou"])
def test_pictures_without_garments_teach_that_there_are_none(objectness_target):
    raw = [torch.zeros(2, 3, SIZE // s, SIZE // s, 5 + CLASSES, requires_grad=True) for s in STRIDES]
    none = Targets(torch.zeros(0).long(), torch.zeros(0).long(), torch.zeros(0, 4))
    loss = YoloLoss(objectness_target=objectness_target)(raw, ANCHORS_WH, none)
    places = 3 * sum((SIZE // s) ** 2 for s in STRIDES)  # a picture's; each costs log 2
    assert loss["objectness"].item() == pytest.approx(places * math.log(2), rel=1e-5)
    assert loss["box"].item() == loss["class"].item() == 0
    loss["loss"].backward()
    assert all(bool(torch.isfinite(level.grad).all()) for level in raw)
    assert raw[0].grad[..., 4].min() > 0 and not raw[0].grad[..., :4].any()


@pytest.mark.parametrize("objectness_target", ["one", "iou"])
@pytest.mark.parametrize("spread", [0.1, 30.0])
def test_gradients_are_finite_even_for_wild_outputs(objectness_target, spread):
    raw = some_raw(spread=spread)
    YoloLoss(objectness_target=objectness_target)(raw, ANCHORS_WH, some_targets())["loss"].backward()
    assert all(bool(torch.isfinite(level.grad).all()) for level in raw)
    assert all(level.grad.abs().sum() > 0 for level in raw)


@pytest.mark.parametrize("objectness_target", ["one", "iou"])
def test_the_order_of_pictures_and_garments_does_not_matter(objectness_target):
    raw, targets, order = some_raw(batch=3), some_targets(), torch.tensor([2, 0, 1])
    shuffle = torch.tensor([4, 0, 5, 2, 1, 3])
    moved = Targets(
        order.argsort()[targets.images][shuffle], targets.classes[shuffle], targets.boxes_xyxy[shuffle]
    )
    loss = YoloLoss(objectness_target=objectness_target)
    first, second = loss(raw, ANCHORS_WH, targets), loss([level[order] for level in raw], ANCHORS_WH, moved)
    assert all(first[name].item() == pytest.approx(second[name].item(), rel=1e-5) for name in first)


def test_half_precision_outputs_are_counted_in_full():
    raw, targets = some_raw(), some_targets()
    half = [level.detach().to(torch.bfloat16) for level in raw]
    exact = YoloLoss()([level.float() for level in half], ANCHORS_WH, targets)["loss"]
    assert YoloLoss()(half, ANCHORS_WH, targets)["loss"].item() == exact.item()


def test_targets_move_together():
    moved = some_targets().to(torch.device("meta"))
    assert moved.images.is_meta and moved.classes.is_meta and moved.boxes_xyxy.is_meta
