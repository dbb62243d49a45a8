"""Each model's metric over the photos that it was trained on, from its comparisons."""

from __future__ import annotations

from app.models.figures import measured
from core.active_learning.effect import model_results
from core.evaluation.comparison import Comparison, PairedMetric
from core.models.cards import ModelCard
from core.store.models import ModelRow
from core.store.promotions import ComparisonRow

CARD = ModelCard("detector", "yolov4-gs", "nano", ("top",), 416)


def model(id: int, revision: int | None) -> ModelRow:
    return ModelRow(id, "detector", f"model {id}", "0" * 64, CARD, None, revision, None, "ann", 0.0)


def compared(
    candidate: int, champion: int, revision: int, before: float | None, after: float
) -> ComparisonRow:
    main = PairedMetric(before, after, None, None, (after - 0.1, after + 0.1))
    comparison = Comparison("detector", 20, 40, {"mAP50": main}, (), 1000)
    report = {"comparison": comparison.as_dict(), "changed": []}
    return ComparisonRow(candidate, candidate, champion, revision, report, 0.0)


def test_each_model_stands_at_the_photos_that_it_learned_from():
    models = [model(1, None), model(2, 1), model(3, 2)]
    rows = [compared(2, 1, 1, 0.30, 0.35), compared(3, 2, 2, 0.34, 0.40)]
    found = measured(model_results(models, rows, {1: 100, 2: 200}, served=[1]), "mAP50")
    # The second model's figure is that of the newest revision on which it was measured.
    assert [(m.name, m.photos, m.figure) for m in found] == [
        ("model 1", 0, 0.30),
        ("model 2", 100, 0.34),
        ("model 3", 200, 0.40),
    ]
    assert found[2].interval == (0.3, 0.5) and found[0].interval is None


def test_what_was_not_measured_is_left_out():
    assert measured(model_results([model(1, None)], [], {}, served=[1]), "mAP50") == []
    rows = [compared(2, 1, 1, None, 0.35)]
    found = measured(model_results([model(1, None), model(2, 1)], rows, {1: 100}, served=[1]), "mAP50")
    assert [m.name for m in found] == ["model 2"]
