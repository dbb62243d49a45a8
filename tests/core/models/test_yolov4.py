import pytest
import torch

from core.anchors import DARKNET_ANCHORS_608, STRIDES
from core.errors import RecipeError
from core.models.blocks import ConvBlock, GhostConv, GSModule, Residual, SimAM
from core.models.yolov4 import PRESETS, Backbone, Neck, Preset, YOLOv4, yolov4, yolov4_gs


@pytest.fixture(scope="module")
def pico():
    torch.manual_seed(0)
    return YOLOv4("pico", classes=2, ghost=True).eval()


def kinds_in(module):
    """The convolution blocks of a part of the network, each once; a Ghost's own parts are not counted."""
    ghosts = [part for part in module.modules() if isinstance(part, GhostConv)]
    inner = {id(part) for ghost in ghosts for part in ghost.modules()}
    return {
        type(part)
        for part in module.modules()
        if isinstance(part, GhostConv) or (isinstance(part, ConvBlock) and id(part) not in inner)
    }


def test_width_and_depth_multiply_the_papers_numbers():
    nano, pico = PRESETS["nano"], PRESETS["pico"]
    assert [nano.channels(full) for full in (32, 64, 1024)] == [8, 16, 256]
    assert [nano.repeats(full) for full in (1, 2, 8, 4)] == [1, 1, 3, 1]
    assert (pico.channels(32), pico.channels(128), pico.repeats(8)) == (8, 16, 1)
    assert PRESETS["tiny"].channels(32) == 16  # 12 to the nearest multiple of 8, halves to even
    assert [PRESETS["full"].repeats(depth) for depth in (1, 2, 8, 8, 4)] == [1, 2, 8, 8, 4]


def test_presets_grow_from_pico_to_full():
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in yolov4_gs(preset).parameters()) for preset in reversed(PRESETS)]
    assert sizes == sorted(sizes) and sizes[0] < 0.6e6 < 40e6 < sizes[-1]


@pytest.mark.parametrize(("width", "depth"), [(0, 1), (1, 0), (-1, 1), (2.5, 1), (float("nan"), 1)])
def test_multipliers_outside_their_range_are_refused(width, depth):
    with pytest.raises(RecipeError, match="multipliers lie in"):
        Preset(width, depth)


@pytest.mark.parametrize("ghost", [False, True])
def test_the_backbone_gives_features_at_three_strides(ghost):
    backbone = Backbone(PRESETS["nano"], ghost=ghost).eval()
    features = backbone(torch.zeros(2, 3, 64, 96))
    assert [tuple(f.shape) for f in features] == [(2, 64, 8, 12), (2, 128, 4, 6), (2, 256, 2, 3)]
    assert backbone.out_channels == (64, 128, 256)


def test_the_gs_backbone_is_of_ghost_convolutions_and_simam_but_for_its_stem():
    plain, ghost = (Backbone(PRESETS["pico"], ghost=ghost) for ghost in (False, True))
    assert type(ghost.stem) is ConvBlock and kinds_in(ghost.stages) == {GhostConv}
    assert kinds_in(plain.stages) == {ConvBlock}
    units = [type(unit) for stage in ghost.stages for unit in stage[1].units]
    assert set(units) == {GSModule}
    assert not any(isinstance(part, SimAM) for part in plain.modules())
    assert {type(unit) for stage in plain.stages for unit in stage[1].units} == {Residual}


@pytest.mark.parametrize("ghost", [False, True])
def test_the_neck_keeps_the_strides(ghost):
    neck = Neck(PRESETS["pico"], (32, 64, 128), ghost=ghost).eval()
    maps = neck((torch.zeros(1, 32, 8, 12), torch.zeros(1, 64, 4, 6), torch.zeros(1, 128, 2, 3)))
    assert [tuple(m.shape) for m in maps] == [(1, 16, 8, 12), (1, 32, 4, 6), (1, 64, 2, 3)]
    assert neck.out_channels == (16, 32, 64)


def test_the_gs_neck_has_ghosts_where_they_give_the_papers_saving():
    model = YOLOv4("pico", ghost=True)
    neck = model.neck
    for part in (neck.up5, neck.lateral4, neck.up4, neck.lateral3, neck.down3, neck.down4):
        assert type(part) is GhostConv
    assert kinds_in(neck.bottom_up4) == kinds_in(neck.bottom_up5) == {GhostConv}
    assert kinds_in(neck.before_spp) == kinds_in(neck.after_spp) == kinds_in(model.heads) == {ConvBlock}
    for five in (neck.top_down3, neck.top_down4):
        assert [type(part) for part in five] == [GhostConv, ConvBlock, GhostConv, ConvBlock, GhostConv]


def test_raw_maps_are_by_picture_anchor_row_column_and_value(pico):
    raw = pico(torch.zeros(2, 3, 64, 96))
    assert [tuple(level.shape) for level in raw] == [(2, 3, 64 // s, 96 // s, 7) for s in STRIDES]
    features = pico.neck(pico.backbone(torch.rand(1, 3, 64, 64)))
    channels = pico.heads[0](features[0])  # (1, 3 * 7, 8, 8)
    raw = pico.heads_of(features)[0]
    assert raw[0, 2, 5, 3, 4] == channels[0, 2 * 7 + 4, 5, 3]


def test_a_batch_gives_what_its_pictures_give_alone(pico):
    pictures = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    together = pico(pictures)
    for index in range(3):
        alone = pico(pictures[index : index + 1])
        assert all(torch.allclose(t[index], a[0], atol=1e-5) for t, a in zip(together, alone, strict=True))


def test_anchors_are_kept_by_scale():
    model = YOLOv4("pico", ghost=True)
    assert model.anchors_wh.shape == (3, 3, 2)
    assert model.anchors_wh[1, 0].tolist() == list(DARKNET_ANCHORS_608[3])
    assert "anchors_wh" not in model.state_dict()
    own = YOLOv4("pico", ghost=True, anchors_wh=[(n, 2 * n) for n in range(1, 10)])
    assert own.anchors_wh[2, 2].tolist() == [9, 18]


@pytest.mark.parametrize(
    "anchors_wh", [[(1, 1)] * 8, [(1, 1)] * 8 + [(0, 1)], [(1, 1)] * 8 + [(float("nan"), 1)], [(1, 1, 1)] * 9]
)
def test_anchors_that_are_not_nine_positive_pairs_are_refused(anchors_wh):
    with pytest.raises(RecipeError, match="nine anchors of positive width and height"):
        YOLOv4("pico", ghost=True, anchors_wh=anchors_wh)


def test_a_detector_can_be_built_without_memory_and_has_its_anchors_still():
    with torch.device("meta"):
        model = yolov4()
        raw = model(torch.zeros(1, 3, 64, 64))
    assert raw[0].shape == (1, 3, 8, 8, 18) and raw[0].is_meta
    assert model.anchors_wh[0, 0].tolist() == [12, 16]


def test_what_cannot_be_built_is_refused_with_a_sentence():
    with pytest.raises(RecipeError, match="preset of full, .*, pico, got 'huge'"):
        YOLOv4("huge", ghost=True)
    with pytest.raises(RecipeError, match="one class or more, got 0"):
        YOLOv4("pico", classes=0, ghost=True)
