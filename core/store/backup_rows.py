"""The rows of a backup, checked as strictly as saving checks them, while they stream into the tables.

A value that no save would have made, or a row that does not fit those before it, refuses the
whole backup. The sentence names the table and the row's number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa

from core.errors import LapelError
from core.images.decode import MAX_PIXELS
from core.models.cards import card_from
from core.store.backup_file import refused, stored_tables
from core.store.backup_values import check_content, check_type
from core.store.boxes import boxes_from
from core.store.categories import checked_name
from core.store.schema import (
    categories,
    consensus_reviews,
    metadata,
    photos,
)
from core.store.settings import check_setting

ROUNDING = 0.01
"""Corners are saved in hundredths of a pixel."""

Row = dict[str, Any]


def filling_order() -> list[sa.Table]:
    """All tables, each behind those that its rows are checked against."""
    first, last = (categories,), (consensus_reviews,)
    between = [table for table in stored_tables() if table not in (*first, *last)]
    return [*first, *between, *last]


class RowChecker:
    """Checks tables in ``filling_order``, and remembers of each row what later ones refer to."""

    def __init__(self) -> None:
        self._keys: dict[str, set[Any]] = {}
        self._unique: dict[str, set[int]] = {}
        self._size_of: dict[int, tuple[int, int]] = {}
        self._kind_of_model: dict[int, str] = {}
        self._length_of: dict[int, int] = {}  # bytes of embeddings by classifier
        self._photo_of: dict[int, int] = {}  # by annotation
        self._used: dict[int, frozenset[int]] = {}  # categories by annotation
        self._named: dict[int, frozenset[int]] = {}  # categories by revision
        self._versions: set[tuple[int, int]] = set()
        self._folded: set[str] = set()
        self._near: list[tuple[int, int]] = []

    def rows(self, table: sa.Table, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, each checked before it is given. Raises StoreError for one that is refused."""
        table = metadata.tables[table.name]  # rows of an older schema have been brought up to date
        self._keys[table.name] = set()
        number = 0
        for number, row in enumerate(rows, start=1):
            try:
                self._check(table, row)
            except (LapelError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError) as error:
                raise refused(f"row {number} of {table.name} cannot be: {_plain(error)}") from error
            yield row
        if table is photos:
            self._check_near()

    def _check(self, table: sa.Table, row: Row) -> None:
        for column in table.columns:
            try:
                check_type(column, row[column.name])
                check_content(table.name, column.name, row[column.name])
            except ValueError as error:
                raise ValueError(f"{column.name}: {error}, got {_short(row[column.name])}") from error
        self._check_unique(table, row)
        self._check_references(table, row)
        further = getattr(self, f"_check_{table.key}", None)
        if further is not None:
            further(row)

    def _check_unique(self, table: sa.Table, row: Row) -> None:
        """Keys and unique columns. What is remembered is the values' hash."""
        for names in _unique_columns(table):
            values = tuple(row[name] for name in names)
            if None in values:
                continue
            seen = self._unique.setdefault(f"{table.name} {names}", set())
            if (key := hash(values)) in seen:
                raise ValueError(f"{', '.join(names)}: another row has {_short(values[-1])}")
            seen.add(key)
        keys = tuple(row[column.name] for column in table.primary_key.columns)
        if len(keys) == 1:
            self._keys[table.name].add(keys[0])

    def _check_references(self, table: sa.Table, row: Row) -> None:
        for key in table.foreign_keys:
            value, target = row[key.parent.name], key.column.table
            if target is photos and table is photos:
                if value is not None:
                    self._near.append((len(self._keys[table.name]), value))
            elif value is not None and value not in self._keys[target.name]:
                raise ValueError(f"{key.parent.name}: there is no row {value} of {target.name}")

    def _check_near(self) -> None:
        for number, near in self._near:
            if near not in self._size_of:
                raise refused(f"row {number} of photos cannot be: near_id: there is no row {near} of photos")

    def _check_categories(self, row: Row) -> None:
        if checked_name(row["name"]) != row["name"]:
            raise ValueError("name: expected a trimmed name")
        if row["name"].casefold() in self._folded:
            raise ValueError("name: another row has it but for its case")
        self._folded.add(row["name"].casefold())

    def _check_photos(self, row: Row) -> None:
        size_wh = row["width"], row["height"]
        if size_wh[0] * size_wh[1] > MAX_PIXELS:
            raise ValueError(f"expected at most {MAX_PIXELS:,} pixels, got {size_wh[0]} x {size_wh[1]}")
        self._size_of[row["id"]] = size_wh

    def _check_predictions(self, row: Row) -> None:
        for kind in ("detector", "classifier"):
            self._require_kind(row[f"{kind}_id"], kind)
        if row["embedding"] is not None:
            length = self._length_of.setdefault(row["classifier_id"], len(row["embedding"]))
            if len(row["embedding"]) != length:
                raise ValueError(f"embedding: expected {length} bytes as the model's others have")
        for garment in row["garments"]:
            self._require_inside(garment["box"], row["photo_id"], slack=1.0)

    def _check_annotations(self, row: Row) -> None:
        used = self._boxes(row)
        for corners in (entry["box"] for entry in row["boxes"]):
            self._require_inside(corners, row["photo_id"], slack=ROUNDING)
        if row["base_version"] >= row["version"]:
            raise ValueError("base_version: expected an earlier version than its own")
        self._photo_of[row["id"]], self._used[row["id"]] = row["photo_id"], used
        self._versions.add((row["photo_id"], row["version"]))

    def _check_drafts(self, row: Row) -> None:
        self._boxes(row)
        if row["base_version"]:
            self._require_version(row["photo_id"], row["base_version"])

    def _check_consensus_reviews(self, row: Row) -> None:
        self._require_version(row["photo_id"], row["first_version"])
        if row["second_version"] is not None:
            self._require_version(row["photo_id"], row["second_version"])
            if row["agreement"] is None:
                raise ValueError("agreement: expected one with a second version")

    def _check_revisions(self, row: Row) -> None:
        ids = [id for id, _ in row["categories"]]
        if len(set(ids)) != len(ids):
            raise ValueError("categories: expected each once")
        self._named[row["number"]] = frozenset(ids)

    def _check_revision_items(self, row: Row) -> None:
        annotation = row["annotation_id"]
        if self._photo_of[annotation] != row["photo_id"]:
            raise ValueError("annotation_id: expected an annotation of the photo")
        if not self._used[annotation] <= self._named[row["revision"]]:
            raise ValueError("annotation_id: expected boxes of the revision's categories")

    def _check_settings(self, row: Row) -> None:
        check_setting(row["name"], row["value"])

    def _check_models(self, row: Row) -> None:
        card = card_from(row["card"])
        if card.kind != row["kind"]:
            raise ValueError(f"card: expected a {row['kind']}'s, got a {card.kind}'s")
        self._kind_of_model[row["id"]] = row["kind"]

    def _check_champions(self, row: Row) -> None:
        self._require_kind(row["model_id"], row["kind"])

    def _check_promotions(self, row: Row) -> None:
        self._require_kind(row["model_id"], row["kind"])
        if row["previous_id"] is not None:
            self._require_kind(row["previous_id"], row["kind"])

    def _check_comparisons(self, row: Row) -> None:
        from core.evaluation.comparison import Comparison
        from core.evaluation.gate import gate
        from core.evaluation.photo_changes import PhotoChange

        found = Comparison.from_dict(row["report"]["comparison"])
        self._require_kind(row["candidate_id"], found.kind)
        self._require_kind(row["champion_id"], found.kind)
        _ = gate(found).sentence
        for entry in row["report"]["changed"]:
            _ = PhotoChange.from_dict(entry)

    def _boxes(self, row: Row) -> frozenset[int]:
        """The categories of a row's boxes, all of them known."""
        used = frozenset(box.category_id for box in boxes_from(row["boxes"]))
        unknown = used - self._keys[categories.name]
        if unknown:
            raise ValueError(f"boxes: there is no row {min(unknown)} of categories")
        return used

    def _require_inside(self, corners: list[float], photo_id: int, slack: float) -> None:
        width, height = self._size_of[photo_id]
        x0, y0, x1, y1 = corners
        if not (x0 >= -slack and y0 >= -slack and x1 <= width + slack and y1 <= height + slack):
            raise ValueError(f"expected boxes inside the photo of {width} x {height} pixels, got {corners}")

    def _require_version(self, photo_id: int, version: int) -> None:
        if (photo_id, version) not in self._versions:
            raise ValueError(f"there is no version {version} of photo {photo_id}")

    def _require_kind(self, model_id: int, kind: str) -> None:
        if self._kind_of_model[model_id] != kind:
            raise ValueError(f"expected a {kind}, got model {model_id}, which is none")


def _unique_columns(table: sa.Table) -> list[tuple[str, ...]]:
    """The columns of the primary key, and those that are unique together."""
    found = [table.primary_key, *(c for c in table.constraints if isinstance(c, sa.UniqueConstraint))]
    return [tuple(column.name for column in constraint.columns) for constraint in found]


def _plain(error: Exception) -> str:
    """The error as the end of a sentence."""
    text = str(error) if isinstance(error, LapelError | ValueError) else f"{type(error).__name__} {error}"
    return text.rstrip(".")[:300]


def _short(value: Any) -> str:
    return repr(value)[:60] if not isinstance(value, bytes) else f"{len(value)} bytes"
