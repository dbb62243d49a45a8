"""Tables for a shop: SKUs from names, a row a garment or a photo, products, and nothing that is a formula."""

from __future__ import annotations

import csv
import io

import pytest
from PIL import Image

from core.datasets.shop import A_PHOTO, SHOPIFY, TABLE, WOOCOMMERCE, ShopTable, SkuPattern
from core.errors import DatasetError
from core.garments import Garment, LabeledPhoto
from core.images.crops import on_white

DRAFT = "-1"
"""WooCommerce's number for a product that is a draft."""

SHIRT = Garment((0, 0, 50, 60), "top", 0.9, (("T-Shirt", 0.7), ("Shirt", 0.2)))
BAG = Garment((60, 0, 80, 20), "bag", 0.6, (("Bag", 0.9),)).correct()


def photo(name: str, *garments: Garment) -> LabeledPhoto:
    return LabeledPhoto(name, 100, 100, 0.1, {}, garments)


PHOTOS = (photo("men/AB12_front.jpg", SHIRT, BAG), photo("men/AB12_back.jpg", SHIRT), photo("odd.jpg"))
NAMES = {"top": "Oberteile"}


def rows_of(table: ShopTable, photos: tuple[LabeledPhoto, ...] = PHOTOS) -> list[dict[str, str]]:
    data = table.data(photos, NAMES)
    assert data.startswith(b"\xef\xbb\xbf") is (table.kind == TABLE), "Excel knows UTF-8 by its mark"
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("pattern", "name", "sku"),
    [
        ("", "men/AB12_front.jpg", "AB12_front"),
        ("{sku}_*", "men/AB12_front.jpg", "AB12"),
        ("{sku}_*", "AB_12_front.jpg", "AB"),
        ("{sku+}_*", "AB_12_front.jpg", "AB_12"),
        ("IMG {sku}", "img 0042.HEIC", "0042"),
        ("{sku}/*", "AB12/1.jpg", "AB12"),
        ("*/{sku}/*", "men/AB12/1.jpg", "AB12"),
        ("{sku}_*", "odd.jpg", ""),
        ("a.b({sku})", "a.b(7).jpg", "7"),
    ],
)
def test_a_sku_is_found_by_its_pattern(pattern: str, name: str, sku: str) -> None:
    assert SkuPattern(pattern).sku_of(name) == sku


@pytest.mark.parametrize("pattern", ["*", "plain", "{sku}{sku}", "*{sku}***", "{sku}" + "x" * 600])
def test_a_pattern_without_one_sku_is_refused(pattern: str) -> None:
    with pytest.raises(DatasetError, match=r"Expected a pattern with \{sku\} once"):
        SkuPattern(pattern)


def test_a_row_a_garment_and_one_of_a_photo_without_any() -> None:
    rows = rows_of(
        ShopTable(sku=SkuPattern("{sku}_*"), columns={"Season": "SS26", "Alt": "{label} of {folder}"})
    )
    assert [(row["sku"], row["folder"], row["photo"], row["garment"]) for row in rows] == [
        ("AB12", "men", "AB12_front.jpg", "1"),
        ("AB12", "men", "AB12_front.jpg", "2"),
        ("AB12", "men", "AB12_back.jpg", "1"),
        ("", "", "odd.jpg", ""),
    ]
    assert (rows[0]["category"], rows[0]["label"], rows[0]["checked"]) == ("Oberteile", "T-Shirt", "false")
    assert rows[1]["checked"] == "true" and rows[1]["crop"] == "crops/men/AB12_front_2_Bag.jpg"
    assert (rows[0]["Season"], rows[0]["Alt"]) == ("SS26", "T-Shirt of men")


def test_a_row_a_photo() -> None:
    rows = rows_of(
        ShopTable(rows=A_PHOTO, sku=SkuPattern("{sku}_*"), image_address="https://shop.example/p/")
    )
    assert [row["garments"] for row in rows] == ["2", "1", "0"]
    assert (rows[0]["category"], rows[0]["categories"], rows[0]["labels"]) == (
        "Oberteile", "Oberteile, bag", "T-Shirt, Bag",
    )  # fmt: skip
    assert rows[0]["image"] == "https://shop.example/p/men/AB12_front.jpg"


def test_shopify_has_one_product_for_the_photos_of_a_sku() -> None:
    table = ShopTable(SHOPIFY, A_PHOTO, SkuPattern("{sku}_*"), image_address="https://shop.example/p")
    rows = rows_of(table)
    assert list(rows[0])[:2] == ["Handle", "Title"]
    assert [(row["Handle"], row["Title"], row["Variant SKU"], row["Image Position"]) for row in rows] == [
        ("ab12", "T-Shirt AB12", "AB12", "1"),
        ("ab12", "", "", "2"),
        ("odd-jpg", "odd.jpg", "", "1"),
    ]
    assert (rows[0]["Type"], rows[0]["Tags"]) == ("Oberteile", "Oberteile, bag, T-Shirt, Bag")
    assert (rows[0]["Published"], rows[0]["Status"]) == ("FALSE", "draft")
    assert len(rows_of(ShopTable(SHOPIFY, A_PHOTO, SkuPattern("{sku}_*")))) == 2, (
        "no pictures, no rows for them"
    )


def test_shopify_has_a_product_for_each_garment_with_handles_of_their_own() -> None:
    rows = rows_of(ShopTable(SHOPIFY, sku=SkuPattern("{sku}_*"), title="{label}"))
    assert [(row["Handle"], row["Title"]) for row in rows] == [
        ("ab12-1", "T-Shirt"),
        ("ab12-2", "Bag"),
        ("ab12", "T-Shirt"),
    ]


def test_woocommerce_has_all_pictures_of_a_product_in_one_cell() -> None:
    rows = rows_of(
        ShopTable(WOOCOMMERCE, A_PHOTO, SkuPattern("{sku}_*"), image_address="https://shop.example")
    )
    assert (rows[0]["SKU"], rows[0]["Name"], rows[0]["Published"]) == ("AB12", "T-Shirt AB12", DRAFT)
    assert rows[0]["Images"] == (
        "https://shop.example/men/AB12_front.jpg, https://shop.example/men/AB12_back.jpg"
    )


@pytest.mark.parametrize("kind", [TABLE, SHOPIFY, WOOCOMMERCE])
@pytest.mark.parametrize("rows", ["garment", "photo"])
def test_no_cell_is_a_formula(kind: str, rows: str) -> None:
    bad = photo("=cmd|'x'!A1.jpg", SHIRT.correct(category="+top", label="@SUM(A1)"))
    table = ShopTable(kind, rows, title="-{label}", columns={"=own": "=1+{sku}"})
    data = table.data([bad], {"+top": "=shop"}).decode("utf-8-sig")
    for line in csv.reader(io.StringIO(data, newline="")):
        texts = [cell for cell in line if cell != DRAFT]
        assert not [cell for cell in texts if cell[:1] in tuple("=+-@\t\r")]


@pytest.mark.parametrize(
    "choices",
    [
        {"kind": "xml"},
        {"rows": "shelf"},
        {"title": "{price}"},
        {"columns": {"a": "{__class__}"}},
        {"columns": dict.fromkeys(map(str, range(40)), "")},
        {"image_address": "javascript:alert(1)"},
    ],
)
def test_what_cannot_be_is_a_sentence(choices: dict[str, object]) -> None:
    with pytest.raises(DatasetError, match="^Expected "):
        ShopTable(**choices)  # type: ignore[arg-type]


def test_a_square_crop_is_on_white_and_as_large_as_it_fits() -> None:
    image = Image.new("RGB", (100, 100), "red")
    square = on_white(image, (40, 10, 60, 90), 200, margin=0)
    assert square.size == (200, 200)
    assert square.getpixel((5, 100)) == (255, 255, 255) and square.getpixel((100, 100)) == (255, 0, 0)
    column = [y for y in range(200) if square.getpixel((100, y)) == (255, 0, 0)]
    assert len(column) >= 198
