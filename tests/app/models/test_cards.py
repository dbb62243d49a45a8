"""Figures and models in words."""

from __future__ import annotations

from app.models import cards
from core.evaluation.comparison import ClassComparison, PairedMetric
from core.evaluation.gate import loses_too_much
from core.models.cards import ModelCard


def card(**training: object) -> ModelCard:
    return ModelCard("detector", "yolov4-gs", "nano", ("top",), 416, training=training)


def test_what_was_not_measured_is_a_dash():
    assert (cards.percent(None), cards.gained(None), cards.between(None)) == ("–", "–", "")
    assert cards.between((-0.01, 0.02), signed=True) == "-1.0 to +2.0"


def test_a_class_is_lost_only_where_enough_boxes_say_so():
    lost = ClassComparison("hat", 20, PairedMetric(0.5, 0.44, -0.06))
    assert loses_too_much(lost) and cards.mark(lost).endswith("lost too much")
    few = ClassComparison("hat", 19, PairedMetric(0.5, 0.44, -0.06))
    assert not loses_too_much(few) and cards.mark(few) == "few boxes"
    exactly = ClassComparison("hat", 20, PairedMetric(0.5, 0.45, 0.45 - 0.5))
    assert not loses_too_much(exactly) and cards.mark(exactly) == ""


def test_a_recipe_is_named_wherever_the_card_has_it():
    assert cards.recipe_of(card(recipe={"name": "onward", "epochs": 10})) == "onward, 10 epochs"
    nested = card(recipe={"recipe": {"name": "quick", "epochs": 3, "seed": 7}, "guard": 0.5})
    assert cards.recipe_of(nested) == "quick, 3 epochs" and cards.fact_of(nested, "seed") == "7"
    assert cards.recipe_of(card(recipe="by hand")) == "by hand"
    assert cards.recipe_of(card()) == "–" and cards.fact_of(card(), "commit") == "–"
