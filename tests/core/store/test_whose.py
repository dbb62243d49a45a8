"""Whose work it is: saved in the name of whoever is signed in, and another person's is not found."""

from __future__ import annotations

import io

import pytest

from core.access import Actor
from core.errors import AccessError, ConflictError, NotFoundError
from core.garments import Garment
from core.inference.predictions import ensure_category_ids, proposals
from core.jobs import client
from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.exports import export_revision
from tests.core.store.rows import add_models, add_photos
from tests.databases import on_sqlite

pytestmark = on_sqlite

BOX = AnnotatedBox((10.0, 10.0, 60.0, 80.0), 1)


@pytest.fixture
def photos(store) -> list[int]:
    """Three photos that wait to be annotated."""
    store.settings.remember("second_share", 0)
    ids = add_photos(store.database, 3)
    store.queue.fill()
    return ids


@pytest.fixture
def anna(store) -> Store:
    return store.acting(Actor.of("Anna", ["annotator"]))


@pytest.fixture
def ben(store) -> Store:
    return store.acting(Actor.of("Ben", ["researcher"]))


@pytest.fixture
def ada(store) -> Store:
    return store.acting(Actor.of("Ada", ["admin"]))


def test_another_persons_draft_is_not_found_except_by_an_admin(store, anna, ben, ada, photos):
    anna.drafts.save(photos[0], "Anna", boxes=[BOX], sequence=1, base_version=0)
    with pytest.raises(NotFoundError):
        ben.drafts.load(photos[0], "Anna")
    with pytest.raises(NotFoundError):
        ben.drafts.of("Anna")
    for other in (ben, ada):
        with pytest.raises(NotFoundError):
            other.drafts.save(photos[0], "Anna", boxes=[], sequence=2, base_version=0)
    assert ada.drafts.load(photos[0], "Anna").boxes == anna.drafts.of("Anna")[0].boxes
    assert len(store.drafts.load(photos[0], "Anna").boxes) == 1


def test_nobody_works_on_a_photo_under_another_name(store, anna, ben, ada, photos):
    task = anna.queue.next("Anna")
    for other in (ben, ada):
        for act in (other.queue.next, other.queue.recall_skipped):
            with pytest.raises(NotFoundError):
                act("Anna")
        for act in (other.queue.take, other.queue.skip, other.queue.renew):
            with pytest.raises(NotFoundError):
                act(task.id, "Anna")
    for act in (ben.queue.upcoming, ben.queue.last_done, ben.queue.counts):
        with pytest.raises(NotFoundError):
            act("Anna")
    with pytest.raises(NotFoundError):
        ben.queue.release(task.id, "Anna")
    assert store.queue.get(task.id).lease_by == "Anna"


def test_another_persons_lease_is_not_found_and_the_photo_not_to_be_had(store, anna, ben, ada, photos):
    task = anna.queue.next("Anna")
    with pytest.raises(NotFoundError):
        ben.queue.get(task.id)
    with pytest.raises(ConflictError):
        ben.queue.take(task.photo_id, "Ben")
    assert not ben.queue.renew(task.id, "Ben")
    ben.queue.release(task.id, "Ben")
    assert anna.queue.get(task.id) == ada.queue.get(task.id) == store.queue.get(task.id)
    ada.queue.release(task.id, "Anna")
    assert ben.queue.get(task.id).lease_by is None


def test_what_is_saved_has_the_name_of_whoever_is_signed_in(store, anna, ada, photos, make_photo):
    said = {"author": "Ben", "base_version": 0, "request": "r"}
    assert anna.annotations.submit(photos[0], [BOX], **said).author == "Anna"
    assert anna.photos.add(make_photo(1), by="Ben").row.by == "Anna"
    assert anna.imports.get(anna.imports.begin("a zip", "Ben")).by == "Anna"
    assert anna.jobs.get(client.start_labeling(anna, "Ben")).by == "Anna"
    assert anna.revisions.create("Ben").by == "Anna"
    ada.categories.add("poncho", "Ben")
    noted = [(entry.by, entry.action) for entry in store.audit.entries()]
    assert noted == [("Ada", "add category"), ("Anna", "revision"), ("Anna", "import")]


def test_without_sign_in_people_say_who_they_are(store, photos):
    said = {"author": "Ben", "base_version": 0, "request": "r"}
    assert store.annotations.submit(photos[0], [BOX], **said).author == "Ben"
    assert store.queue.next("Anna").lease_by == "Anna" and store.queue.next("Ben").lease_by == "Ben"
    store.photos.delete(photos[0], "Ben")
    (entry,) = store.audit.entries()
    assert (entry.by, entry.action) == ("Ben", "delete") and entry.object.startswith(f"photo {photos[0]}, ")


def test_a_verdict_has_the_name_of_whoever_is_signed_in(store, anna, ben, photos):
    store.settings.remember("second_share", 1)
    anna.annotations.submit(photos[0], [BOX], author="Anna", base_version=0, request="1")
    ben.annotations.submit(photos[0], [BOX], author="Ben", base_version=0, request="2", kind="second")
    with pytest.raises(AccessError):
        store.acting(Actor.of("Mona", ["merchant"])).consensus_reviews.accept(photos[0], "Ben")
    carl = store.acting(Actor.of("Carl", ["annotator"]))
    assert carl.consensus_reviews.accept(photos[0], "Anna").author == "Carl"
    assert store.consensus_reviews.get(photos[0]).reviewer == "Carl"


def test_own_settings_are_ones_own(store, anna, ben):
    anna.settings.put_own("Anna", "keys", {"submit": "Enter"})
    assert (
        anna.settings.own("Anna", "keys") == {"submit": "Enter"} and ben.settings.own("Ben", "keys") is None
    )
    for act in (ben.settings.own, lambda *of: ben.settings.put_own(*of, {})):
        with pytest.raises(NotFoundError):
            act("Anna", "keys")
    long = store.acting(Actor.of("x" * 200, ["annotator"]))
    long.settings.put_own("x" * 200, "keys", 1)
    assert long.settings.own("x" * 200, "keys") == 1
    assert store.audit.entries() == []


def test_what_is_refused_has_changed_nothing(store, anna, photos):
    mona = store.acting(Actor.of("Mona", ["merchant"]))
    store.revisions.create("Ben")
    for call in (
        lambda: anna.photos.delete(photos[0], "Anna"),
        lambda: anna.categories.add("poncho", "Anna"),
        lambda: anna.categories.rename(1, "poncho", "Anna"),
        lambda: anna.settings.put("second_share", 1),
        lambda: mona.imports.begin("a zip", "Mona"),
        lambda: mona.queue.next("Mona"),
        lambda: client.start_ordering(mona),
        lambda: export_revision(mona, 1, "csv", io.BytesIO()),
    ):
        with pytest.raises(AccessError, match="^(Anna|Mona) may not"):
            call()
    assert store.photos.count() == 3 and store.jobs.running() == () and store.imports.recent() == ()
    assert "poncho" not in {category.name for category in store.categories.all()}
    assert store.queue.counts().leased == 0 and store.settings.get("second_share") == 0
    assert [entry.action for entry in store.audit.entries()] == ["revision"]


def test_an_annotator_who_opens_a_photo_without_the_right_to_add_categories_adds_none(store, anna, photos):
    garments = [Garment((1, 2, 30, 40), "poncho", 0.9), Garment((1, 2, 30, 40), "top", 0.8)]
    store.predictions.save(photos[0], add_models(store.database), garments, None)
    (box,) = proposals(anna, photos[0], 0.5)
    assert store.categories.by_id()[box.category_id].name == "top"
    ensure_category_ids(store, ["poncho"])  # as whoever labels with a new model does
    poncho, _ = proposals(anna, photos[0], 0.5)
    assert store.categories.by_id()[poncho.category_id].name == "poncho"
    assert [(entry.by, entry.action, entry.object) for entry in store.audit.entries()] == [
        ("lapel", "add category", "poncho")
    ]


def test_the_audit_log_has_what_was_before(store, ada):
    ada.categories.rename(1, "poncho", "Ada")
    ada.settings.put("second_share", 0.5)
    ada.revisions.create("Ada")
    ada.revisions.create("Ada")
    revision, setting, renamed = store.audit.entries()
    assert (renamed.object, renamed.details["id"]) == ("poncho", 1) and renamed.details["before"]
    assert (setting.object, setting.details) == ("second_share", {"value": 0.5})
    assert revision.object == "revision 1" and revision.details["photos"] == 0
