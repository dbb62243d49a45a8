"""What became of an import, in words and as a table that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

from app.data.imports import contents, outcomes, refusals_csv, summary, verdict
from core.store.imports import ImportRow, RefusedFile

ALL = {"new": 5, "near": 1, "exact": 2, "holdout": 1, "refused": 3, "annotated": 4}


def test_every_outcome_has_its_sentence():
    said = outcomes(ALL)
    assert len(said) == 6
    assert said[0] == "5 photos imported."
    assert said[-1] == "3 files were refused, as listed."
    assert all(sentence.endswith(".") for sentence in said)


def test_outcomes_that_did_not_happen_have_no_sentence():
    assert outcomes({"new": 1, "near": 0}) == ["1 photo imported."]
    assert outcomes({}) == []


def test_exact_near_and_holdout_duplicates_have_their_own_sentences():
    (exact,), (near,), (holdout,) = (outcomes({kind: 1}) for kind in ("exact", "near", "holdout"))
    assert "byte for byte" in exact and "near duplicate" in near and "must not be trained" in holdout


def test_annotations_that_were_there_already_have_a_sentence():
    assert outcomes({"unchanged": 2, "already_there": 3}) == [
        "2 photos had the same annotations already: 3 boxes."
    ]
    assert outcomes({"unchanged": 1}) == ["1 photo had the same annotations already: 0 boxes."]


def test_the_summary_counts_imported_known_and_refused_files():
    assert summary(ALL) == "6 photos imported · 3 known already · 3 refused"
    assert summary({"new": 1}) == "1 photo imported"


def test_refusals_are_neutral_in_a_spreadsheet():
    refusals = [RefusedFile("=cmd().jpg", "damaged"), RefusedFile('a,"b".jpg', "-1 pixels")]
    rows = list(csv.reader(io.StringIO(refusals_csv(refusals))))
    assert rows == [["file", "reason"], ["'=cmd().jpg", "damaged"], ['a,"b".jpg', "'-1 pixels"]]


def test_the_verdict_tells_what_came_from_what_was_there() -> None:
    assert verdict({"new": 1}) == verdict({"annotated": 1, "exact": 1}) == "Everything came."
    assert verdict({"exact": 3, "unchanged": 3}) == "Everything was there already."
    assert verdict({"near": 1, "remarks": 2}) == "Everything came; see the remarks."


def test_an_import_that_was_stopped_says_how_far_it_came():
    row = ImportRow(1, "shoot", None, "cancelled", 40, 900, {"new": 38, "refused": 2}, "", "ann", 0.0)
    told = contents(row)
    assert told.startswith("40 of 900 files were done before it ended.") and "38" in told
    assert contents(replace(row, done=0, total=0, counts={})) == "Nothing was imported."
