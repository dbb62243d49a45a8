"""What the page Models says of a candidate that came with Lapel, and of changes of the champion."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from app.models.promotion import history_table, missing_comparison
from core.access import INITIAL_AUTHOR
from core.models.cards import ModelCard
from core.store import Store
from core.store.models import ModelRow
from core.store.promotions import Promotion

CARD = ModelCard("detector", "yolov4-gs", "small", ("top",), 416)
OWN = ModelRow(2, "detector", "street 2", "0" * 64, CARD, 1, 3, 4, "ann", 0.0)


def store_without_comparisons() -> Store:
    comparisons: Any = SimpleNamespace(of=lambda candidate_id, champion_id=None: [])
    return cast(Store, SimpleNamespace(comparisons=comparisons))


def test_a_candidate_that_an_update_brought_says_so() -> None:
    shipped = replace(OWN, id=5, name="street 3", by=INITIAL_AUTHOR)
    assert missing_comparison(store_without_comparisons(), OWN, shipped) == (
        "street 3 came with an update of Lapel, and has not been compared with the champion yet."
    )
    assert "update" not in missing_comparison(store_without_comparisons(), shipped, OWN)


def test_the_history_names_an_update() -> None:
    reason = "It came with an update of Lapel."
    change = Promotion(2, "detector", 5, 1, "update", None, reason, "update detector 5", INITIAL_AUTHOR, 0.0)
    table = history_table([change], {1: "street 2", 5: "street 3"})
    row = table.iloc[0]
    assert (row["Action"], row["Model"], row["Replaced"]) == ("updated with Lapel", "street 3", "street 2")
    assert (row["By"], row["Reason"]) == ("lapel", reason)
