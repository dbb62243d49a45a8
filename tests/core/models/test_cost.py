import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.errors import RecipeError
from core.models.cost import count_macs, safetensors_bytes, savings, summarize, summarize_model
from core.models.registry import build_model


class SmallNet(nn.Module):
    """Counted by hand in the tests: for (1, 3, 8, 8), maps are 4 x 4 after the stride."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),  # 108 weights, 4*4*4 outputs of 27
            nn.BatchNorm2d(4),  # 8 weights, 8 statistics
            nn.Conv2d(4, 4, 3, padding=1, groups=4),  # 36 + 4 weights, 4*4*4 outputs of 9
        )
        self.top = nn.Linear(4, 5)  # 20 + 5 weights, 5 outputs of 4
        self.backbone[0].requires_grad_(False)

    def forward(self, x):
        return self.top(self.backbone(x).mean(dim=(2, 3)))


@pytest.fixture(scope="module")
def full_models():
    return {
        name: summarize_model(name) for name in ("yolov4", "yolov4-gs", "mobilenet", "mobilenet-mha", "vgg16")
    }


@pytest.fixture(scope="module")
def two_stages():
    """A detector with a second stage, as small as torchvision makes one."""
    return build_model("faster-rcnn", size=64).eval()


@pytest.mark.parametrize("name", ["ssd", "retinanet", "faster-rcnn", "r-fcn"])
def test_light_detectors_have_the_backbone_of_yolov4(name):
    found = summarize_model(name, "pico", size=64)
    trunk = summarize_model("yolov4", "pico", size=64)
    assert found["backbone_parameters"] > trunk["backbone_parameters"], "with pyramid or extra layers"
    assert found["parameters"] < 3 * trunk["parameters"]


def saving(full_models, key):
    """Percent by which YOLOv4-GS differs from YOLOv4."""
    return 100 * (full_models["yolov4-gs"][key] / full_models["yolov4"][key] - 1)


@pytest.mark.parametrize(
    ("name", "parameters", "trainable"),
    [
        ("mobilenet", 4_253_864, 4_231_976),
        ("mobilenet-mha", 14_703_738, 13_061_050),
        ("vgg16", 138_357_544, 138_357_544),
    ],
)
def test_the_classifiers_have_the_posters_counts_exactly(full_models, name, parameters, trainable):
    assert (full_models[name]["parameters"], full_models[name]["trainable"]) == (parameters, trainable)


def test_yolov4_has_the_published_size(full_models):
    assert full_models["yolov4"]["trainable"] / 1e6 == pytest.approx(64.00, abs=0.01)
    assert full_models["yolov4"]["backbone_parameters"] / 1e6 == pytest.approx(26.617, abs=0.001)
    assert full_models["yolov4"]["macs"] / 1e9 == pytest.approx(29.8, abs=0.05)
    assert full_models["yolov4"]["backbone_macs"] / 1e9 == pytest.approx(17.25, abs=0.05)


def test_yolov4_gs_saves_what_the_paper_claims(full_models):
    assert saving(full_models, "backbone_parameters") == pytest.approx(-49.6, abs=0.3)
    assert saving(full_models, "backbone_macs") == pytest.approx(-48.6, abs=0.3)
    assert saving(full_models, "trainable") == pytest.approx(-33.13, abs=0.3)
    assert saving(full_models, "macs") == pytest.approx(-36.2, abs=0.3)
    assert saving(full_models, "bytes") == pytest.approx(-33.1, abs=0.3)


def test_savings_of_several_models_are_the_papers(full_models):
    (gs,) = savings([full_models["yolov4"], full_models["yolov4-gs"]])
    assert gs["percent"]["trainable"] == pytest.approx(33.13, abs=0.02)
    assert gs["percent"]["bytes"] == pytest.approx(33.12, abs=0.1), "published: a volume 33.12 % smaller"
    assert gs["percent"]["backbone_parameters"] == pytest.approx(49.6, abs=0.05)
    attention, plain = savings([full_models[name] for name in ("vgg16", "mobilenet-mha", "mobilenet")])
    assert plain["factor"]["parameters"] == 32.53, "published: 32 times smaller than VGG-16"
    assert attention["factor"]["parameters"] == 9.41
    assert plain["factor"]["macs"] == pytest.approx(27.2, abs=0.1)
    assert plain["percent"]["backbone_macs"] is None


def test_eighty_classes_give_the_count_of_the_original_yolov4():
    assert summarize_model("yolov4", classes=80)["trainable"] / 1e6 == pytest.approx(64.36, abs=0.01)


def test_the_summary_has_the_contracts_keys(full_models):
    counts = {"parameters", "trainable", "backbone_parameters", "macs", "backbone_macs", "bytes"}
    assert {"model", "preset"} | counts <= set(full_models["yolov4-gs"])
    assert full_models["yolov4-gs"]["model"] == "yolov4-gs"
    assert full_models["vgg16"]["backbone_macs"] is None


def test_a_small_net_counted_by_hand():
    assert summarize(SmallNet(), (8, 8)) == {
        "parameters": 108 + 8 + 40 + 25 + 8,
        "trainable": 8 + 40 + 25,
        "statistics": 8,
        "backbone_parameters": 108 + 8 + 40,
        "macs": 64 * 27 + 64 * 9 + 5 * 4,
        "backbone_macs": 64 * 27 + 64 * 9,
        "bytes": safetensors_bytes(SmallNet().state_dict()),
    }


def test_macs_grow_with_the_picture_and_parameters_do_not():
    small, large = (summarize_model("yolov4-gs", preset="nano", size=size) for size in (64, 128))
    assert large["macs"] == 4 * small["macs"]
    assert large["parameters"] == small["parameters"]


@pytest.mark.parametrize("name", ["ssd", "r-fcn"])
def test_a_torchvision_detector_is_counted_too(name):
    figures = summarize_model(name, size=300)
    assert figures["macs"] > figures["backbone_macs"] > 1e9


def test_a_second_stage_is_counted_for_the_most_proposals_whatever_the_weights(two_stages):
    another = build_model("faster-rcnn", size=64)
    first, second = (count_macs(model, (64, 64)) for model in (two_stages, another))
    assert first == second
    one_region = 256 * 49 * 1024 + 1024 * 1024 + 1024 * (14 + 4 * 14)
    assert first["roi_heads"] == 1000 * one_region


def proposals(model):
    """How many regions of a black picture the second stage gets."""
    seen = []
    handle = model.roi_heads.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[1][0])))
    with torch.no_grad():
        model([torch.zeros(3, 64, 64)])
    handle.remove()
    return seen[0]


def test_a_counted_model_proposes_as_before(two_stages):
    before = proposals(two_stages)
    assert before < 1000
    count_macs(two_stages, (64, 64))
    assert proposals(two_stages) == before


def test_a_model_that_failed_to_be_counted_proposes_as_before(two_stages):
    def fail(*_):
        raise RuntimeError("in the middle")

    before = proposals(two_stages)
    handle = two_stages.roi_heads.register_forward_pre_hook(fail)
    two_stages.train()
    with pytest.raises(RuntimeError, match="in the middle"):
        count_macs(two_stages, (64, 64))
    handle.remove()
    assert two_stages.training
    assert proposals(two_stages.eval()) == before


def test_a_model_is_left_as_it_was():
    model = SmallNet().train()
    model.top.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    summarize(model, (8, 8))
    assert (model.training, model.backbone.training, model.top.training) == (True, True, False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("build", [SmallNet, lambda: build_model("yolov4-gs", preset="pico")])
def test_bytes_are_those_of_the_real_file(build, tmp_path):
    state = build().state_dict()
    save_file(state, tmp_path / "model.safetensors")
    assert safetensors_bytes(state) == (tmp_path / "model.safetensors").stat().st_size


def test_bytes_are_counted_as_float32_whatever_the_model_is_kept_in():
    model = SmallNet()
    assert safetensors_bytes(model.half().state_dict()) == safetensors_bytes(model.float().state_dict())


def test_every_kind_of_number_has_its_width(tmp_path):
    kinds = (torch.float32, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    state = {f"tensor {index}": torch.ones(3, dtype=kind) for index, kind in enumerate(kinds)}
    save_file(state, tmp_path / "mixed.safetensors")
    assert safetensors_bytes(state) == (tmp_path / "mixed.safetensors").stat().st_size


def test_a_state_without_tensors_is_an_empty_header(tmp_path):
    save_file({}, tmp_path / "empty.safetensors")
    assert safetensors_bytes({}) == (tmp_path / "empty.safetensors").stat().st_size


def test_an_unknown_model_is_refused():
    with pytest.raises(RecipeError, match="got 'lenet'"):
        summarize_model("lenet")
