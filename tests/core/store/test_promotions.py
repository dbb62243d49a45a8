"""Only what passes the gate takes over, or what somebody answers for; and the former can come back."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from core.access import Actor
from core.errors import AccessError, ConflictError, NotFoundError, StoreError, WeightsError
from core.models.weights import digest
from core.store import Store
from core.store.models import ModelRow
from core.store.promotions import PromotionRefused
from tests.core.store.comparing import BETTER, UNCLEAR, WORSE
from tests.core.store.models import add_candidate, blob_path
from tests.databases import on_sqlite

pytestmark = pytest.mark.usefixtures("tiny_ships")


@pytest.fixture
def champion(store: Store) -> ModelRow:
    return store.models.champion("detector")


@pytest.fixture
def candidate(store: Store, champion: ModelRow, tmp_path: Path) -> ModelRow:
    return add_candidate(store, tmp_path)


@pytest.fixture
def compare(store: Store):
    revision = store.revisions.create("ann").number

    def save(candidate: ModelRow, champion: ModelRow, report: dict, revision: int = revision) -> int:
        return store.comparisons.save(candidate.id, champion.id, revision, report).id

    return save


def serving(store: Store) -> str:
    return store.models.champion("detector").name


def noted(store: Store) -> list[str]:
    """What the audit log has of models, the latest first."""
    ours = ("promote", "overrule", "rollback")
    return [entry.action for entry in store.audit.entries() if entry.action in ours]


def test_a_better_candidate_takes_over_and_it_is_written_down(store, champion, candidate, compare) -> None:
    compared = compare(candidate, champion, BETTER)
    made = store.promotions.promote(
        candidate.id, expected_champion=champion.id, request="r1", comparison_id=compared
    )
    assert serving(store) == "candidate"
    assert (made.action, made.previous_id, made.comparison_id, made.by) == (
        "promote",
        champion.id,
        compared,
        "local",
    )
    assert [change.action for change in store.promotions.history("detector")] == ["promote", "first"]
    entry = store.audit.entries(most=1)[0]
    assert (entry.action, entry.object, entry.details["previous"]) == (
        "promote",
        "candidate",
        "tiny detector",
    )
    assert store.models.champion("classifier").name == "tiny classifier"


@on_sqlite
@pytest.mark.parametrize(
    ("report", "why"),
    [(None, "compare them first"), (WORSE, "It is worse"), (UNCLEAR, "it would take about 178")],
)
def test_what_does_not_pass_is_refused_with_the_reason(
    store, champion, candidate, compare, report, why
) -> None:
    if report:
        compare(candidate, champion, report)
    with pytest.raises(PromotionRefused, match=why):
        store.promotions.promote(candidate.id, expected_champion=champion.id, request="r1")
    assert (serving(store), noted(store)) == ("tiny detector", [])


def test_an_admin_can_overrule_the_gate_and_the_reason_is_kept(store, champion, candidate, compare) -> None:
    compare(candidate, champion, WORSE)
    made = store.promotions.promote(
        candidate.id, expected_champion=champion.id, request="r1", overrule_reason="it knows bags"
    )
    assert (made.action, made.reason, serving(store)) == ("overrule", "it knows bags", "candidate")
    assert store.audit.entries(action="overrule")[0].details["reason"] == "it knows bags"


@on_sqlite
def test_a_reason_that_was_not_needed_makes_no_overruling(store, champion, candidate, compare) -> None:
    compare(candidate, champion, BETTER)
    made = store.promotions.promote(
        candidate.id, expected_champion=champion.id, request="r1", overrule_reason="to be sure"
    )
    assert (made.action, made.reason) == ("promote", "")


def test_the_same_request_is_one_promotion(store, champion, candidate, compare) -> None:
    compare(candidate, champion, BETTER)
    made = store.promotions.promote(candidate.id, expected_champion=champion.id, request="r1")
    assert store.promotions.promote(candidate.id, expected_champion=champion.id, request="r1") == made
    assert (len(store.promotions.history("detector")), noted(store)) == (2, ["promote"])
    with pytest.raises(ConflictError, match="another model"):
        store.promotions.promote(champion.id, expected_champion=candidate.id, request="r1")


def test_who_comes_second_learns_that_another_serves(store, champion, candidate, compare, tmp_path) -> None:
    other = add_candidate(store, tmp_path, name="other", shift=0.002)
    for model in (candidate, other):
        compare(model, champion, BETTER)
    store.promotions.promote(candidate.id, expected_champion=champion.id, request="r1")
    with pytest.raises(ConflictError, match="candidate has become the detector that serves"):
        store.promotions.promote(other.id, expected_champion=champion.id, request="r2")
    with pytest.raises(PromotionRefused, match="compare them first"):  # it was measured against the former
        store.promotions.promote(other.id, expected_champion=candidate.id, request="r3")
    with pytest.raises(StoreError, match="serves already"):
        store.promotions.promote(candidate.id, expected_champion=candidate.id, request="r4")


def test_the_newest_revision_decides(store, champion, candidate, compare, make_photo) -> None:
    old = compare(candidate, champion, BETTER)
    photo = store.photos.add(make_photo(1), by="ann").row
    store.annotations.submit(photo.id, [], author="ann", base_version=0, request="a")
    compare(candidate, champion, WORSE, store.revisions.create("ann").number)
    with pytest.raises(ConflictError, match="another comparison"):
        store.promotions.promote(candidate.id, expected_champion=champion.id, request="r", comparison_id=old)
    with pytest.raises(PromotionRefused, match="It is worse"):
        store.promotions.promote(candidate.id, expected_champion=champion.id, request="r")


def test_rollbacks_go_back_one_by_one(store, champion, candidate, compare, tmp_path) -> None:
    other = add_candidate(store, tmp_path, name="other", shift=0.002)
    compare(candidate, champion, BETTER)
    compare(other, candidate, BETTER)
    store.promotions.promote(candidate.id, expected_champion=champion.id, request="r1")
    store.promotions.promote(other.id, expected_champion=candidate.id, request="r2")
    assert store.promotions.previous("detector") == candidate.id
    back = store.promotions.rollback("detector", request="b1")
    assert (back.action, back.previous_id, serving(store)) == ("rollback", other.id, "candidate")
    assert store.promotions.rollback("detector", request="b1") == back and serving(store) == "candidate"
    with pytest.raises(ConflictError):  # somebody else has pressed the button a moment ago
        store.promotions.rollback("detector", request="b2", expected_champion=other.id)
    store.promotions.rollback("detector", request="b3")
    assert serving(store) == "tiny detector" and store.promotions.previous("detector") is None
    with pytest.raises(NotFoundError, match="none served before"):
        store.promotions.rollback("detector", request="b4")
    assert noted(store) == ["rollback"] * 2 + ["promote"] * 2


@on_sqlite
def test_what_was_rolled_back_can_be_promoted_again(store, champion, candidate, compare) -> None:
    compare(candidate, champion, BETTER)
    for round in range(2):
        store.promotions.promote(candidate.id, expected_champion=champion.id, request=f"p{round}")
        store.promotions.rollback("detector", request=f"b{round}")
    assert serving(store) == "tiny detector" and store.promotions.previous("detector") is None


def pickled(data: bytes) -> bytes:
    return pickle.dumps({"weights": [1.0]})


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


@on_sqlite
@pytest.mark.parametrize("spoil", [pickled, truncated])
def test_weights_that_were_swapped_are_refused_and_the_champion_goes_on(
    store, champion, candidate, compare, spoil
) -> None:
    compare(candidate, champion, BETTER)
    for path in (blob_path(store, candidate.digest), store.models.file_of(candidate)):
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(WeightsError, match="damaged"):
        store.promotions.promote(
            candidate.id, expected_champion=champion.id, request="r", overrule_reason="I insist"
        )
    assert serving(store) == "tiny detector"


@on_sqlite
def test_a_row_of_weights_that_could_not_serve_is_refused(store, champion, candidate, compare) -> None:
    import sqlalchemy as sa

    from core.store.schema import models

    file = store.models.file_of(candidate)
    tensors = load_file(file)
    next(iter(tensors.values())).view(-1)[0] = float("nan")
    save_file(tensors, file)
    store.blobs.put(file.read_bytes())
    with store.database.write() as connection:  # as if somebody had written into the database
        change = sa.update(models).where(models.c.id == candidate.id).values(digest=digest(file))
        connection.execute(change)
    compare(candidate, champion, BETTER)
    with pytest.raises(WeightsError, match="not finite"):
        store.promotions.promote(candidate.id, expected_champion=champion.id, request="r")
    assert serving(store) == "tiny detector"


@on_sqlite
@pytest.mark.parametrize("role", ["merchant", "annotator", "researcher"])
def test_only_an_admin_changes_who_serves(store, champion, candidate, compare, role) -> None:
    compare(candidate, champion, BETTER)
    theirs = store.acting(Actor.of("mia", [role])).promotions
    with pytest.raises(AccessError):
        theirs.promote(candidate.id, expected_champion=champion.id, request="r")
    with pytest.raises(AccessError):
        theirs.rollback("detector", request="r")
    assert serving(store) == "tiny detector"


def test_comparisons_are_found_by_pair_and_measured_anew_replaced(store, champion, candidate, compare):
    assert compare(candidate, champion, WORSE) == compare(candidate, champion, BETTER)
    [row] = store.comparisons.of(candidate.id, champion.id)
    assert row == store.comparisons.of(candidate.id)[0]
    assert row.verdict.passes and row.comparison.main.difference == 0.05 and row.changed == []


@on_sqlite
def test_a_request_needs_a_name(store, champion, candidate) -> None:
    with pytest.raises(StoreError, match="1 to 64"):
        store.promotions.rollback("detector", request="")
