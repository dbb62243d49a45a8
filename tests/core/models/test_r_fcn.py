import pytest
import torch

from core.errors import RecipeError
from core.models.r_fcn import DilatedDarknet, DilatedResNet, PositionSensitiveVotes, SplitVotes, r_fcn
from core.models.yolov4 import PRESETS, Backbone

TARGET = {"boxes": torch.tensor([[16.0, 16.0, 80.0, 80.0]]), "labels": torch.tensor([2])}
NO_GARMENT = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return r_fcn(classes=3, size=96, backbone="resnet50")


def test_training_gives_finite_losses_whose_gradients_reach_every_part(model):
    losses = model.train()([torch.rand(3, 96, 96), torch.rand(3, 80, 96)], [TARGET, NO_GARMENT])
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    total = sum(losses.values())
    assert torch.isfinite(total)
    model.zero_grad()
    total.backward()
    without = [
        name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()
    ]
    # A ReLU may shut a channel of this untrained net, but never a whole layer.
    assert not without


def test_detections_have_torchvisions_format_and_lie_inside_the_photo(model):
    model.roi_heads.score_thresh, kept = 0.0, model.roi_heads.score_thresh
    with torch.no_grad():
        first, second = model.eval()([torch.rand(3, 96, 96), torch.rand(3, 60, 90)])
    model.roi_heads.score_thresh = kept
    assert 0 < len(first["boxes"]) <= 100
    assert len(first["boxes"]) == len(first["scores"]) == len(first["labels"])
    assert set(first["labels"].tolist()) <= {1, 2, 3}
    assert (second["boxes"] >= 0).all() and (second["boxes"] <= torch.tensor([90.0, 60.0, 90.0, 60.0])).all()


def test_a_region_takes_the_mean_of_its_nine_bins_each_from_its_own_map():
    votes = PositionSensitiveVotes(classes=1)
    for layer in (votes.scores, votes.boxes):
        torch.nn.init.zeros_(layer.weight)
    with torch.no_grad():
        votes.scores.bias.copy_(torch.arange(18.0))  # background 0..8, class 9..17, one map a bin
        votes.boxes.bias.copy_(torch.arange(36.0))
    features = {"maps": torch.zeros(1, 1024, 8, 8)}
    result = votes(features, [torch.tensor([[0.0, 0.0, 96.0, 96.0]])], [(128, 128)])
    assert result.tolist() == [[4.0, 13.0, 4.0, 13.0, 22.0, 31.0]]


def test_a_bin_looks_at_its_own_place_only():
    votes = PositionSensitiveVotes(classes=1)
    for layer in (votes.scores, votes.boxes):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        votes.scores.weight[9, 0] = 9.0  # the class map of the top left bin reads channel 0
    maps = torch.zeros(1, 1024, 9, 9)
    maps[0, 0, :3, :3] = 1.0  # something in the top left corner of the photo
    aligned, shifted = torch.tensor([0.0, 0.0, 143.0, 143.0]), torch.tensor([48.0, 48.0, 143.0, 143.0])
    result = votes({"maps": maps}, [torch.stack([aligned, shifted])], [(144, 144)])
    assert result[:, 1].tolist() == [1.0, 0.0]


def test_a_vote_is_the_ninth_of_what_its_bin_sees_on_average():
    votes = PositionSensitiveVotes(classes=1, channels=4)
    for layer in (votes.scores, votes.boxes):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    with torch.no_grad():
        votes.scores.weight[9 + 6, 0] = 1.0  # the class map of the lower left bin reads channel 0
    row, column = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    maps = torch.zeros(1, 4, 9, 9)
    maps[0, 0] = 10 * row + column
    result = votes({"maps": maps}, [torch.tensor([[0.0, 0.0, 143.0, 143.0]])], [(144, 144)])
    assert result[0, 1].item() == pytest.approx(71 / 9)  # rows 6 to 8, columns 0 to 2: 70 + 1 on average
    assert result[0, 0].item() == 0


def test_a_sliver_at_the_edge_still_votes():
    votes = PositionSensitiveVotes(classes=1)
    with torch.no_grad():
        votes.scores.weight.zero_()
        votes.scores.bias.fill_(2.0)
    slivers = torch.tensor([[60.0, 10.0, 64.0, 40.0], [10.0, 50.0, 40.0, 64.0], [62.0, 62.0, 64.0, 64.0]])
    result = votes({"maps": torch.zeros(1, 1024, 4, 4)}, [slivers], [(64, 64)])
    assert (result[:, :2] == 2.0).all()


def test_every_class_gets_the_same_box():
    logits, offsets = SplitVotes(classes=2)(torch.tensor([[0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 4.0]]))
    assert logits.shape == (1, 3)
    assert offsets.view(1, 3, 4).tolist() == [[[1.0, 2.0, 3.0, 4.0]] * 3]


def test_no_regions_give_no_votes():
    votes = PositionSensitiveVotes(classes=3)
    assert votes({"maps": torch.zeros(1, 1024, 4, 4)}, [torch.zeros(0, 4)], [(64, 64)]).shape == (0, 8)


def test_both_features_have_stride_16():
    with torch.device("meta"):
        features = DilatedResNet("resnet50")(torch.zeros(1, 3, 128, 96))
    assert {name: tuple(value.shape) for name, value in features.items()} == {
        "conv4": (1, 1024, 8, 6),
        "maps": (1, 1024, 8, 6),
    }


def test_the_light_backbone_is_dilated_and_takes_the_weights_of_one_that_is_not():
    torch.manual_seed(0)
    plain, dilated = Backbone(PRESETS["pico"], ghost=False).eval(), DilatedDarknet(PRESETS["pico"]).eval()
    dilated.body.load_state_dict(plain.state_dict())
    photos = torch.rand(1, 3, 128, 96)
    found = dilated(photos)
    assert {name: value.shape[2:] for name, value in found.items()} == {"conv4": (8, 6), "maps": (8, 6)}
    assert torch.equal(found["conv4"], plain(photos)[1])


def test_another_backbone_is_refused_with_a_sentence():
    with pytest.raises(RecipeError, match="resnet50, resnet101, got 'vgg16'"):
        r_fcn(backbone="vgg16")
