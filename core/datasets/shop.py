"""Labeled photos as tables for a shop: a CSV for spreadsheets, Shopify's product CSV, WooCommerce's.

Stock-keeping units (SKU) come out of the photos' names by a pattern such as ``{sku}_*``.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import quote

from core.csv_cells import escape_formula
from core.datasets.export import crop_names
from core.errors import DatasetError
from core.garments import Garment, LabeledPhoto

TABLE, SHOPIFY, WOOCOMMERCE = "table", "shopify", "woocommerce"
KINDS = (TABLE, SHOPIFY, WOOCOMMERCE)
A_GARMENT, A_PHOTO = "garment", "photo"
ROWS = (A_GARMENT, A_PHOTO)

PLACEHOLDERS = ("sku", "file", "folder", "category", "label", "labels")
"""What stands in braces in a title or an own column's value."""

MOST_COLUMNS = 30
MOST_TEXT = 500
MOST_STARS = 2
_PIECES = re.compile(r"(\{sku\+?\}|\*)")
_BRACES = re.compile(r"\{(\w+)\}")
_SHOPIFY = (
    *(
        "Handle",
        "Title",
        "Body (HTML)",
        "Vendor",
        "Type",
        "Tags",
        "Published",
        "Option1 Name",
        "Option1 Value",
    ),
    *("Variant SKU", "Image Src", "Image Position", "Image Alt Text", "Status"),
)
_WOOCOMMERCE = ("Type", "SKU", "Name", "Published", "Categories", "Tags", "Images")
_PER_GARMENT = ("sku", "folder", "photo", "garment", "category", "label", "score", "checked", "crop")
_PER_PHOTO = ("sku", "folder", "photo", "garments", "category", "label", "categories", "labels", "checked")

Row = dict[str, str | float]


@dataclass(frozen=True)
class SkuPattern:
    """How a SKU stands in a photo's name without its ending: ``{sku}`` is the SKU, ``*`` is anything.

    ``{sku}`` is as short as it can be, ``{sku+}`` as long: of ``AB_12_front``, ``{sku}_*`` takes AB and
    ``{sku+}_*`` AB_12. With a ``/`` the folders count as well: ``{sku}/*``. An empty pattern takes the whole
    name. Raises DatasetError for a pattern that is none.
    """

    text: str = ""

    def __post_init__(self) -> None:
        pieces = _PIECES.findall(self.text)
        skus = [piece for piece in pieces if piece != "*"]
        if self.text and (len(skus) != 1 or len(pieces) > 1 + MOST_STARS or len(self.text) > MOST_TEXT):
            raise DatasetError(
                f"Expected a pattern with {{sku}} once and at most {MOST_STARS} stars, as {{sku}}_*, got "
                f"{self.text[:60]!r}."
            )

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        parts = {"*": ".*", "{sku}": "(?P<sku>.+?)", "{sku+}": "(?P<sku>.+)"}
        return re.compile(
            "".join(parts.get(piece, re.escape(piece)) for piece in _PIECES.split(self.text)),
            re.DOTALL | re.IGNORECASE,
        )

    def sku_of(self, name: str) -> str:
        """The SKU in a photo's name, with or without folders; empty where the pattern does not fit.

        >>> SkuPattern("{sku}_*").sku_of("men/AB12_front.jpg"), SkuPattern("{sku}/*").sku_of("AB12/1.jpg")
        ('AB12', 'AB12')
        """
        path = PurePosixPath(name)
        whole = str(path.with_suffix("")) if "/" in self.text else path.stem
        if not self.text:
            return path.stem
        found = self._expression.fullmatch(whole)
        return found["sku"].strip() if found else ""


@dataclass(frozen=True)
class ShopTable:
    """What a table is like.

    ``title`` names a product and ``columns`` are own ones, by name; both may hold ``PLACEHOLDERS`` in braces.
    ``image_address`` stands before the photos' names, as shops fetch photos by their address.
    Raises DatasetError for what cannot be.
    """

    kind: str = TABLE
    rows: str = A_GARMENT
    sku: SkuPattern = field(default_factory=SkuPattern)
    title: str = "{label} {sku}"
    columns: Mapping[str, str] = field(default_factory=dict)
    image_address: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.rows not in ROWS:
            raise DatasetError(
                f"Expected a table of {', '.join(KINDS)} with rows of {', '.join(ROWS)}, "
                f"got {self.kind!r} with {self.rows!r}."
            )
        if len(self.columns) > MOST_COLUMNS:
            raise DatasetError(f"Expected at most {MOST_COLUMNS} own columns, got {len(self.columns)}.")
        for text in (self.title, *self.columns.values()):
            for name in _BRACES.findall(text):
                if name not in PLACEHOLDERS:
                    known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                    raise DatasetError(f"Expected {known}, got {{{name}}}.")
        if self.image_address and not re.match(r"https?://\S+$", self.image_address):
            raise DatasetError(
                f"Expected an address of the photos as https://shop/photos/, got {self.image_address[:60]!r}"
            )

    def data(self, photos: Sequence[LabeledPhoto], names: Mapping[str, str]) -> bytes:
        """The CSV in UTF-8; ``names`` are the shop's by Lapel's.

        The table for spreadsheets begins with a byte order mark, by which Excel knows UTF-8. Text that a
        spreadsheet would take for a formula has an apostrophe before it.
        """
        out = io.StringIO()
        columns, rows = _TABLES[self.kind](self, photos, names)
        writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore")
        writer.writerow({column: escape_formula(column) for column in columns})
        for row in rows:
            writer.writerow(
                {key: escape_formula(cell) if isinstance(cell, str) else cell for key, cell in row.items()}
            )
        return out.getvalue().encode("utf-8-sig" if self.kind == TABLE else "utf-8", "replace")

    def own(self, values: Mapping[str, str]) -> Row:
        """The own columns of a row."""
        return {name: _filled(text, values) for name, text in self.columns.items()}

    def image(self, name: str) -> str:
        """A photo's address; empty where none is known."""
        return f"{self.image_address.rstrip('/')}/{quote(name)}" if self.image_address else ""


@dataclass(frozen=True)
class _Product:
    """Photos of one SKU, or a garment of one photo."""

    sku: str
    photos: tuple[str, ...]
    garments: tuple[Garment, ...]

    def values(self, names: Mapping[str, str]) -> dict[str, str]:
        main = max(self.garments, key=_area, default=None)
        path = PurePosixPath(self.photos[0])
        return {
            "sku": self.sku,
            "file": path.name,
            "folder": _folder(path),
            "category": names.get(main.category, main.category) if main else "",
            "label": main.best_label if main else "",
            "labels": ", ".join(_labels(self.garments)),
        }

    def tags(self, names: Mapping[str, str]) -> str:
        categories = dict.fromkeys(names.get(garment.category, garment.category) for garment in self.garments)
        # A tag with a comma in it would be two.
        return ", ".join(
            dict.fromkeys(tag.replace(",", " ") for tag in (*categories, *_labels(self.garments)))
        )


def _table(
    table: ShopTable, photos: Sequence[LabeledPhoto], names: Mapping[str, str]
) -> tuple[list[str], Iterator[Row]]:
    known = _PER_GARMENT if table.rows == A_GARMENT else _PER_PHOTO
    columns = list(dict.fromkeys([*known, *(["image"] if table.image_address else []), *table.columns]))
    return columns, (_per_garment if table.rows == A_GARMENT else _per_photo)(table, photos, names)


def _per_garment(table: ShopTable, photos: Sequence[LabeledPhoto], names: Mapping[str, str]) -> Iterator[Row]:
    for photo, crops in zip(photos, crop_names(photos), strict=True):
        start = _start(table, photo)
        for number, garment in enumerate(photo.garments, start=1):
            product = _Product(str(start["sku"]), (photo.photo,), (garment,))
            yield (
                start
                | {"garment": number, "category": names.get(garment.category, garment.category)}
                | {"label": garment.best_label, "score": round(garment.score, 4)}
                | {"checked": _truth(garment.corrected), "crop": f"{crops[number - 1]}.jpg"}
                | table.own(product.values(names))
            )
        if not photo.garments:
            yield start | table.own(_Product(str(start["sku"]), (photo.photo,), ()).values(names))


def _per_photo(table: ShopTable, photos: Sequence[LabeledPhoto], names: Mapping[str, str]) -> Iterator[Row]:
    for photo in photos:
        start = _start(table, photo)
        values = _Product(str(start["sku"]), (photo.photo,), photo.garments).values(names)
        categories = dict.fromkeys(
            names.get(garment.category, garment.category) for garment in photo.garments
        )
        yield (
            start
            | {"garments": len(photo.garments), "category": values["category"], "label": values["label"]}
            | {"categories": ", ".join(categories), "labels": values["labels"]}
            | {"checked": _truth(bool(photo.garments) and all(g.corrected for g in photo.garments))}
            | table.own(values)
        )


def _start(table: ShopTable, photo: LabeledPhoto) -> Row:
    path = PurePosixPath(photo.photo)
    row: Row = {"sku": table.sku.sku_of(photo.photo), "folder": _folder(path), "photo": path.name}
    return row | {"image": table.image(photo.photo)} if table.image_address else row


def _shopify(
    table: ShopTable, photos: Sequence[LabeledPhoto], names: Mapping[str, str]
) -> tuple[list[str], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        taken: set[str] = set()
        for product in _products(table, photos):
            values = product.values(names)
            title = _filled(table.title, values) or product.sku or values["file"]
            handle = _handle(product.sku or title, taken)
            first: Row = {
                "Handle": handle, "Title": title, "Type": values["category"], "Tags": product.tags(names),
                "Published": "FALSE", "Option1 Name": "Title", "Option1 Value": "Default Title",
                "Variant SKU": product.sku, "Status": "draft",
            }  # fmt: skip
            for position, photo in enumerate(product.photos, start=1):
                image: Row = {"Handle": handle}
                if table.image_address:
                    image |= {
                        "Image Src": table.image(photo),
                        "Image Position": position,
                        "Image Alt Text": title,
                    }
                if position == 1:
                    yield first | image | table.own(values)
                elif table.image_address:
                    yield image

    return list(dict.fromkeys([*_SHOPIFY, *table.columns])), rows()


def _woocommerce(
    table: ShopTable, photos: Sequence[LabeledPhoto], names: Mapping[str, str]
) -> tuple[list[str], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for product in _products(table, photos):
            values = product.values(names)
            images = [table.image(photo) for photo in product.photos] if table.image_address else []
            row: Row = {
                "Type": "simple", "SKU": product.sku,
                "Name": _filled(table.title, values) or product.sku or values["file"],
                "Published": -1,  # a draft
                "Categories": values["category"].replace(",", " "), "Tags": product.tags(names),
                "Images": ", ".join(images),
            }  # fmt: skip
            yield row | table.own(values)

    return list(dict.fromkeys([*_WOOCOMMERCE, *table.columns])), rows()


def _products(table: ShopTable, photos: Sequence[LabeledPhoto]) -> Iterator[_Product]:
    """With rows a photo, photos of one SKU are one product; with rows a garment, each garment is one."""
    if table.rows == A_GARMENT:
        for photo in photos:
            sku = table.sku.sku_of(photo.photo)
            several = len(photo.garments) > 1
            for number, garment in enumerate(photo.garments, start=1):
                own = f"{sku}-{number}" if several and sku else sku
                yield _Product(own, (photo.photo,), (garment,))
        return
    grouped: dict[str, list[LabeledPhoto]] = {}
    for place, photo in enumerate(photos):
        sku = table.sku.sku_of(photo.photo)
        grouped.setdefault(sku or f"\0{place}", []).append(photo)
    for sku, together in grouped.items():
        garments = tuple(garment for photo in together for garment in photo.garments)
        yield _Product(sku if sku[:1] != "\0" else "", tuple(photo.photo for photo in together), garments)


_TABLES = {TABLE: _table, SHOPIFY: _shopify, WOOCOMMERCE: _woocommerce}


def _handle(text: str, taken: set[str]) -> str:
    """A product's part of an address: small letters, digits and dashes, unique."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    wanted = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "product"
    handle, number = wanted, 1
    while handle in taken:
        number += 1
        handle = f"{wanted}-{number}"
    taken.add(handle)
    return handle


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A text with the values in the place of names in braces, as one line."""
    return " ".join(_BRACES.sub(lambda found: values[found[1]], text).split())


def _folder(path: PurePosixPath) -> str:
    return "" if str(path.parent) == "." else str(path.parent)


def _labels(garments: Sequence[Garment]) -> list[str]:
    return list(dict.fromkeys(garment.best_label for garment in garments))


def _area(garment: Garment) -> float:
    x0, y0, x1, y1 = garment.box_xyxy
    return (x1 - x0) * (y1 - y0)


def _truth(value: bool) -> str:
    return "true" if value else "false"
