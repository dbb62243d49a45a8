"""Models from the command line: listed, promoted where the gate lets them, and rolled back."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.inference.labeler import Labeler
from core.store import Store
from tests.core.cli.test_store import Shell, data, lapel
from tests.core.store.comparing import BETTER
from tests.core.store.models import add_candidate, watch_exports
from tests.core.training.holdout import add_seen
from tests.weights import MANY

__all__ = ["data", "lapel"]
pytestmark = pytest.mark.usefixtures("tiny_ships")


@pytest.fixture
def store(data: Path) -> Store:
    return Store.open(folder=data)


def test_models_are_listed_with_what_they_brought(lapel: Shell, store: Store, tmp_path: Path) -> None:
    candidate = add_candidate(store, tmp_path)
    champion, revision = store.models.champion("detector"), store.revisions.create("ann").number
    store.comparisons.save(candidate.id, champion.id, revision, BETTER)
    status, rows, _ = lapel("models", "--json")
    assert status == 0 and [row["name"] for row in rows] == ["tiny classifier", "candidate", "tiny detector"]
    assert [row["serves"] for row in rows] == [True, False, True]
    assert (rows[1]["parent"], rows[1]["digest"]) == ("tiny detector", candidate.digest)
    compared = rows[1]["comparison"]
    assert (compared["champion"], compared["passes"], compared["revision"]) == (champion.name, True, revision)
    assert compared["figures"]["mAP50"]["difference"] == 0.05


def test_without_json_the_serving_have_a_star(data: Path, store: Store, tmp_path: Path, capsys) -> None:
    from core.cli.models import models

    add_candidate(store, tmp_path)
    models(as_json=False, data=data)
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines] == ["*", " ", "*"] and "came with Lapel" in lines[2]


def test_a_candidate_that_was_not_compared_is_compared_and_refused(
    lapel: Shell, store: Store, tmp_path: Path, light_labeler: Labeler
) -> None:
    candidate = add_candidate(store, tmp_path)
    add_seen(store, light_labeler, MANY)
    store.revisions.create("ann")
    status, shown, said = lapel("promote", "candidate")
    assert (status, shown) == (2, None) and "too small to tell: it takes 20" in said
    assert len(store.comparisons.of(candidate.id)) == 1
    assert store.models.champion("detector").name == "tiny detector"


def test_the_gate_can_be_overruled_and_the_former_model_brought_back(
    lapel: Shell, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate, first = add_candidate(store, tmp_path), store.models.champion("detector")
    exports = watch_exports(monkeypatch, store)
    status, shown, said = lapel("promote", "candidate")
    assert status == 2 and "compare them first" in said
    status, shown, _ = lapel("promote", candidate.id, "--overrule", "I know it", "--by", "ada")
    assert status == 0
    assert (shown["action"], shown["serves"], shown["previous"]) == ("overrule", "candidate", "tiny detector")
    assert (shown["reason"], shown["by"]) == ("I know it", "ada")
    status, shown, _ = lapel("rollback", "detector")
    assert (status, shown["action"], shown["serves"]) == (0, "rollback", "tiny detector")
    assert exports[-2:] == [(candidate.id, first.id), (first.id, candidate.id)], "before it serves"
    status, shown, said = lapel("rollback", "detector")
    assert status == 2 and "none served before" in said


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(("promote", "nobody"), "no model 'nobody'"), (("promote", "99"), "no model number 99"),
     (("rollback", "poem"), "detector or classifier"), (("promote", "tiny detector"), "serves already")],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence(lapel: Shell, store: Store, words, sentence) -> None:
    store.models.register_shipped()
    status, shown, said = lapel(*words)
    assert (status, shown) == (2, None) and sentence in said and len(said.splitlines()) == 1
