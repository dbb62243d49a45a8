import pytest
import torch
from PIL import Image

from core.images.crops import crop_garment, to_square, to_tensor
from tools.gpu_crops import (
    UNLABELED,
    Augmentation,
    Item,
    as_input,
    build_cache,
    items_of,
    mixed,
    plain_views,
    random_rectangles,
    random_views,
    square_of,
)

CATEGORIES = ("bag", "footwear", "top", "scarf_tie")
LABELS = ("Bag", "Scarf", "Shirt", "Shoes")
CPU = torch.device("cpu")
STILL = Augmentation(plain=1.0, turned=0.0, colored=0.0, gray=0.0, sharpened=0.0, erased=0.0)


def smooth_photo(width=120, height=90, seed=0):
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed)) * 255
    picture = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return picture[0].clamp(0, 255).to(torch.uint8)


def entry(**changes):
    photo = {
        "set": "street", "split": "train", "width": 120, "height": 90, "labels": [], "boxes": [],
        "category_ids": [],
    }  # fmt: skip
    return photo | changes


def test_a_catalog_photo_gives_the_whole_and_its_garment():
    photo = entry(set="catalog", boxes=[[10, 10, 60, 60]], labels=["Shirt"], category_ids=[2])
    whole, crop = items_of([photo], CATEGORIES, LABELS)
    assert (whole.box_xyxy, whole.label, whole.source) == (None, 2, "catalog")
    assert (crop.box_xyxy, crop.label, crop.source) == ((10, 10, 60, 60), 2, "catalog-crop")


@pytest.mark.parametrize("changes", [{"box": "none"}, {"boxes": [[0, 0, 120, 88]]}, {"split": "val"}])
def test_a_catalog_photo_without_a_box_of_its_own_gives_the_whole_alone(changes):
    photo = entry(set="catalog", boxes=[[10, 10, 60, 60]], labels=["Shirt"], category_ids=[2]) | changes
    assert [item.source for item in items_of([photo], CATEGORIES, LABELS)] == ["catalog"]


def test_labels_of_people_come_from_fine_names_or_settled_categories_and_small_boxes_are_left():
    boxes = [[0, 0, 20, 20]] * 4 + [[0, 0, 5, 20]]
    photo = entry(boxes=boxes, category_ids=[2, 2, 1, 3, 0], labels=["Shirt", None, None, "Scarf", "Bag"])
    assert [item.label for item in items_of([photo], CATEGORIES, LABELS)] == [2, UNLABELED, 3, 1]


def test_chictopia_has_no_label_where_its_name_holds_many_garments():
    photo = entry(set="chictopia", boxes=[[0, 0, 20, 20]] * 2, category_ids=[2, 0], labels=["Shirt", None])
    assert [item.label for item in items_of([photo], CATEGORIES, LABELS)] == [UNLABELED, 0]


def test_other_sets_give_nothing():
    assert items_of([entry(set="unboxed", split="unboxed")], CATEGORIES, LABELS) == []


@pytest.mark.parametrize("box", [(30.4, 20.0, 80.0, 70.2), (0, 0, 50, 40), (100, 60, 120, 90)])
def test_a_square_without_context_is_what_the_product_shows(box):
    image = smooth_photo()
    square, base = square_of(image, box, 64, margin=0.1)
    product = to_tensor(to_square(crop_garment(Image.fromarray(image.permute(1, 2, 0).numpy()), box), 64))
    assert base == (0.0, 0.0, 1.0, 1.0)
    assert (square.int() - product.int()).abs().max() <= 2


def test_the_plain_view_of_a_square_with_context_is_the_products_crop():
    image, box = smooth_photo(), (30, 25, 80, 65)
    cache = build_cache([image], [Item(0, box, 1, "street", "train")], 96, CPU)
    view = plain_views(cache.pictures, cache.base_xyxy, 64)
    product = to_tensor(to_square(crop_garment(Image.fromarray(image.permute(1, 2, 0).numpy()), box), 64))
    assert (view[0] - as_input(product)).abs().mean() < 0.02


def test_still_views_are_plain_or_mirrored():
    cache = build_cache([smooth_photo()], [Item(0, None, 1, "catalog", "train")] * 16, 48, CPU)
    plain = plain_views(cache.pictures, cache.base_xyxy, 32)
    torch.manual_seed(1)
    views = random_views(cache.pictures, cache.base_xyxy, 32, STILL)
    mirrored = [torch.allclose(v, p.flip(2), atol=1e-3) for v, p in zip(views, plain, strict=True)]
    same = [torch.allclose(v, p, atol=1e-3) for v, p in zip(views, plain, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert any(mirrored) and any(same)


def test_rectangles_stay_near_the_base_and_have_its_share():
    torch.manual_seed(0)
    base = torch.tensor([[0.2, 0.3, 0.8, 0.7], [0.0, 0.0, 1.0, 1.0]]).repeat(200, 1)
    how = Augmentation(area=(0.5, 0.5), aspect=1.0, plain=0.0, slack=0.1)
    found = random_rectangles(base, how)
    assert found[:, :2].min() >= 0 and found[:, 2:].max() <= 1
    share = (found[:, 2:] - found[:, :2]) / (base[:, 2:] - base[:, :2])
    torch.testing.assert_close(share, torch.full_like(share, 0.5**0.5))
    assert (found[::2, 0] >= 0.2 - 0.06 - 1e-5).all() and (found[::2, 3] <= 0.7 + 0.04 + 1e-5).all()


def test_rich_views_are_finite_and_in_range():
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (32, 3, 48, 48), dtype=torch.uint8)
    base = torch.tensor([[0.1, 0.1, 0.9, 0.9]]).repeat(32, 1)
    views = random_views(pictures, base, 40, Augmentation())
    assert views.shape == (32, 3, 40, 40)
    assert views.isfinite().all() and views.abs().max() <= 1


def test_mixing_tells_how_much_of_each_pixel_is_ones_own():
    torch.manual_seed(0)
    views = torch.zeros(400, 1, 16, 16)
    views[1::2] = 1.0
    found, other, share = mixed(views, 0.7, 1.0)
    own, theirs = views[:, 0, 0, 0], views[other, 0, 0, 0]
    torch.testing.assert_close(found.mean(dim=(1, 2, 3)), share * own + (1 - share) * theirs)
    assert 0.2 < (share == 1).float().mean() < 0.5
    cut = ((found == 0) | (found == 1)).flatten(1).all(dim=1) & (share < 1) & (own != theirs)
    assert cut.any()


def test_rare_labels_are_drawn_more_often_and_sources_have_their_weight():
    image = smooth_photo()
    items = [Item(0, None, 0, "catalog", "train")] * 99 + [Item(0, None, 1, "catalog", "train")]
    items += [Item(0, None, UNLABELED, "chictopia", "train"), Item(0, None, 0, "other", "train")]
    weights = build_cache([image], items, 8, CPU).weights({"catalog": 1.0, "chictopia": 0.25}, rebalance=0.04)
    assert weights[0] == 1
    assert weights[99] == pytest.approx((0.04 / (1 / 100.25)) ** 0.5, rel=1e-4)
    assert weights[100:].tolist() == [0.25, 0.0]
