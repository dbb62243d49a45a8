"""All detectors of the papers: one interface, losses that equal torchvision's, partly labeled photos."""

import pytest
import torch
import torch.nn.functional as F

from core.errors import RecipeError
from core.models.detection import Targets, backbone_body, by_picture, category_loss
from core.models.registry import build_detector_network, detector_names, has_anchors
from core.models.ssd import DefaultBoxes
from core.models.yolov4 import PRESETS, Backbone

NAMES = [name for name in detector_names() if not has_anchors(name)]
BOXES = torch.tensor([[6.0, 8.0, 40.0, 50.0], [30.0, 10.0, 60.0, 60.0], [10.0, 12.0, 50.0, 40.0]])
TARGETS = Targets(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]), BOXES)
NONE = Targets(torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long), torch.zeros(0, 4))


def labeled(*rows):
    """The targets of two pictures whose datasets label these of three categories."""
    return Targets(TARGETS.images, TARGETS.classes, BOXES, torch.tensor(rows, dtype=torch.bool))


@pytest.fixture(scope="module")
def pictures():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=NAMES)
def model(request):
    """The smallest of each, in training mode. Do not change."""
    torch.manual_seed(0)
    return build_detector_network(request.param, "pico", 3, 96).train()


def test_losses_are_finite_and_reach_every_weight(model, pictures):
    losses = model.losses(model.encode(pictures), TARGETS)
    model.zero_grad()
    losses["loss"].backward()
    assert all(bool(torch.isfinite(value)) for value in losses.values())
    assert losses["loss"].item() == pytest.approx(sum(v.item() for k, v in losses.items() if k != "loss"))
    assert [name for name, weight in model.named_parameters() if weight.grad is None] == []


def test_pictures_without_a_garment_are_learned_from(model, pictures):
    losses = model.losses(model.encode(pictures), NONE)
    assert bool(torch.isfinite(losses["loss"])) and losses["box"].item() == 0


def test_candidates_are_boxes_on_the_canvas_with_scores_of_all_categories(model, pictures):
    model.eval()
    with torch.no_grad():
        boxes, scores = model.candidates(model.encode(pictures))
        alone, _ = model.candidates(model.encode(pictures[:1]))
        losses = model.losses(model.encode(pictures), TARGETS)
    model.train()
    assert boxes.shape == (2, scores.shape[1], 4) and scores.shape[2] == 3
    assert bool((boxes >= 0).all()) and bool((boxes <= torch.tensor([96.0, 64.0, 96.0, 64.0])).all())
    assert scores.min().item() >= 0 and scores.max().item() <= 1
    assert torch.allclose(boxes[0, : alone.shape[1]], alone[0], atol=1e-2)
    assert bool(torch.isfinite(losses["loss"])), "validation has a loss as well"


@pytest.mark.parametrize("name", ["faster-rcnn", "r-fcn"])
def test_a_picture_without_a_proposal_has_no_candidate(name, pictures):
    torch.manual_seed(0)
    model = build_detector_network(name, "pico", 3, 96).eval()
    model.rpn.min_size = 1000.0  # pixels: no region is as large
    with torch.no_grad():
        boxes, scores = model.candidates(model.encode(pictures))
    assert boxes.shape == (2, 0, 4) and scores.shape == (2, 0, 3)


def test_a_distilled_backbone_fits_every_light_detector(model):
    state = Backbone(PRESETS["pico"], ghost=False).state_dict()
    backbone_body(model).load_state_dict(state)


def test_a_preset_that_is_none_is_refused():
    for name in NAMES:
        with pytest.raises(RecipeError, match="the presets full, .*, got 'huge'"):
            build_detector_network(name, "huge", 3, 96)


# torchvision's own losses are the oracle where everything is labeled.


def test_ssd_has_torchvisions_loss(pictures):
    torch.manual_seed(0)
    model = build_detector_network("ssd", "pico", 3, 96).train()
    encoded = model.encode(pictures)
    wanted = by_picture(TARGETS, 2, 3)
    matched = [model.proposal_matcher(model_iou(target["boxes"], encoded.default_boxes)) for target in wanted]
    raw = {"bbox_regression": encoded.offsets, "cls_logits": encoded.logits}
    theirs = model.compute_loss(wanted, raw, [encoded.default_boxes] * 2, matched)
    ours = model.losses(encoded, TARGETS)
    assert ours["box"].item() == pytest.approx(theirs["bbox_regression"].item(), rel=1e-5)
    assert ours["class"].item() == pytest.approx(theirs["classification"].item(), rel=1e-5)


def test_retinanet_has_torchvisions_loss(pictures):
    torch.manual_seed(0)
    model = build_detector_network("retinanet", "pico", 3, 96).train()
    encoded = model.encode(pictures)
    raw = {"bbox_regression": encoded.offsets, "cls_logits": encoded.logits}
    theirs = model.compute_loss(by_picture(TARGETS, 2, 3), raw, [encoded.anchors] * 2)
    ours = model.losses(encoded, TARGETS)
    assert ours["box"].item() == pytest.approx(theirs["bbox_regression"].item(), rel=1e-5)
    assert ours["class"].item() == pytest.approx(theirs["classification"].item(), rel=1e-5)


@pytest.mark.parametrize("name", ["faster-rcnn", "r-fcn"])
def test_two_stages_have_torchvisions_loss(name, pictures):
    torch.manual_seed(0)
    model = build_detector_network(name, "pico", 3, 96).train()
    wanted = by_picture(TARGETS, 2, 3)
    encoded = model.encode(pictures)
    torch.manual_seed(1)  # both sample regions
    ours = model.losses(encoded, TARGETS)
    torch.manual_seed(1)
    regions, first = model.rpn(encoded.images, encoded.maps, wanted)
    _, second = model.roi_heads(encoded.maps, regions, encoded.images.image_sizes, wanted)
    theirs = {
        "objectness": first["loss_objectness"],
        "proposal_box": first["loss_rpn_box_reg"],
        "class": second["loss_classifier"],
        "box": second["loss_box_reg"],
    }
    for term, value in theirs.items():
        assert ours[term].item() == pytest.approx(value.item(), rel=1e-5, abs=1e-7), term


def model_iou(a, b):
    """IoU (N, M), by hand."""
    low, high = torch.maximum(a[:, None, :2], b[:, :2]), torch.minimum(a[:, None, 2:], b[:, 2:])
    common = (high - low).clamp(min=0).prod(dim=2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (a, b)]
    return common / (areas[0][:, None] + areas[1] - common)


# What a dataset does not label is not taught to be background.


def test_a_category_loss_is_cross_entropy_where_all_is_labeled():
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 2])
    found = category_loss(logits, labels, torch.ones(6, 3, dtype=torch.bool))
    assert torch.allclose(found, F.cross_entropy(logits, labels, reduction="none"))


def test_background_of_a_partly_labeled_photo_may_be_what_is_not_labeled():
    shares = torch.tensor([[0.5, 0.2, 0.2, 0.1]]).repeat(3, 1)  # background, and three categories
    known = torch.tensor([[True, False, True]]).repeat(3, 1)
    found = category_loss(shares.log(), torch.tensor([0, 1, 2]), known).exp()
    # background: 0.5 + 0.2; a box of the unlabeled category says that it is one; else as usual
    assert torch.allclose(1 / found, torch.tensor([0.7, 0.2, 0.2]))


@pytest.mark.parametrize("name", NAMES)
def test_an_unlabeled_category_is_not_taught_to_be_background(name, pictures):
    torch.manual_seed(0)
    model = build_detector_network(name, "pico", 3, 96).train()
    torch.manual_seed(1)
    whole = model.losses(model.encode(pictures), labeled([1, 1, 1], [1, 1, 1]))
    torch.manual_seed(1)
    partly = model.losses(model.encode(pictures), labeled([1, 1, 0], [1, 1, 0]))
    assert partly["class"].item() < whole["class"].item()
    assert partly["box"].item() == pytest.approx(whole["box"].item(), rel=1e-4)


def test_proposals_of_what_may_be_unlabeled_are_no_background(pictures):
    torch.manual_seed(0)
    model = build_detector_network("faster-rcnn", "pico", 3, 96).train()
    rpn = model.rpn
    with torch.no_grad():
        rpn.head.cls_logits.bias.fill_(3.0)  # sees garments everywhere
    terms = {}
    for name, targets in (
        ("whole", labeled([1, 1, 1], [1, 1, 1])),
        ("partly", labeled([1, 0, 1], [1, 0, 1])),
    ):
        torch.manual_seed(1)
        terms[name] = model.losses(model.encode(pictures), targets)["objectness"].item()
    assert terms["whole"] > 1.0 and terms["partly"] < 0.2, "only positives are left"


def test_default_boxes_have_one_shape_on_any_canvas():
    boxes = DefaultBoxes()
    shapes = []
    for height, width in ((64, 128), (128, 64)):
        maps = [torch.zeros(1, 8, -(-height // s), -(-width // s)) for s in (8, 16, 32, 64, 128)]
        images = type("Images", (), {"tensors": torch.zeros(1, 3, height, width), "image_sizes": [0]})
        (found,) = boxes(images, maps)
        first = found[:6]
        assert torch.allclose((first[:, :2] + first[:, 2:]) / 2, torch.full((6, 2), 4.0))
        shapes.append(first[:, 2:] - first[:, :2])
    assert torch.equal(*shapes)
    assert torch.allclose(shapes[0].prod(dim=1), torch.tensor([400.0] * 5 + [800.0]))
    assert torch.allclose(shapes[0][1], torch.tensor([20 * 2**0.5, 20 / 2**0.5]))
