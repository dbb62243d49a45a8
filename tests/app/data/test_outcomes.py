"""What became of an import, in words and as a table that no spreadsheet runs."""

from __future__ import annotations

import csv
import io

from app.data.outcomes import outcomes, refusals_csv, summary
from core.store.imports import RefusedFile

ALL = {"new": 5, "near": 1, "exact": 2, "holdout": 1, "refused": 3, "annotated": 4}


def test_every_outcome_has_its_sentence_and_good_news_come_first():
    said = outcomes(ALL)
    assert len(said) == 6
    assert said[0] == "5 photos came in."
    assert said[-1] == "3 files were refused, as listed."
    assert all(sentence.endswith(".") for sentence in said)


def test_nothing_is_said_of_what_did_not_happen():
    assert outcomes({"new": 1, "near": 0}) == ["1 photo came in."]
    assert outcomes({}) == []


def test_copies_are_told_apart_in_words():
    (exact,), (near,), (holdout,) = (outcomes({kind: 1}) for kind in ("exact", "near", "holdout"))
    assert "to the byte" in exact and "nearly" in near and "must not teach" in holdout


def test_the_summary_counts_what_came_and_what_was_known():
    assert summary(ALL) == "6 photos came in · 3 known already · 3 refused"
    assert summary({"new": 1}) == "1 photo came in"


def test_refusals_are_neutral_in_a_spreadsheet():
    refusals = [RefusedFile("=cmd().jpg", "damaged"), RefusedFile('a,"b".jpg', "-1 pixels")]
    rows = list(csv.reader(io.StringIO(refusals_csv(refusals))))
    assert rows == [["file", "reason"], ["'=cmd().jpg", "damaged"], ['a,"b".jpg', "'-1 pixels"]]
