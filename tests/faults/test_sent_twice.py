"""The same save sent twice, by processes that race each other."""

from __future__ import annotations

import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from core.store import Store
from core.store.boxes import AnnotatedBox
from core.store.versions import VersionConflict
from tests.core.store.conftest import drawn
from tests.faults.processes import Child, tell
from tests.faults.wholeness import faults_of

RACERS = 4
PACE_SECONDS = 0.1


def race(pipe: Connection, url: str, folder: Path, number: int, photos: list[int], same: bool) -> None:
    """In a child: submit each photo at the moment when all others do, with the same request or one's own."""
    store = Store.open(url, folder)
    boxes = [AnnotatedBox((10, 10, 50, 60 + number), store.categories.all()[0].id, uid="a")]
    tell(pipe, what="ready")
    while not (folder / "go").exists():
        time.sleep(0.001)
    began = (folder / "go").stat().st_mtime
    for round, photo in enumerate(photos):
        time.sleep(max(0.0, began + PACE_SECONDS * (round + 1) - time.time()))
        request = f"photo {photo}" if same else f"photo {photo} of {number}"
        submit = store.annotations.submit
        try:
            saved = submit(photo, boxes, author=f"person {number}", base_version=0, request=request)
            tell(pipe, photo=photo, version=saved.version, author=saved.author)
        except VersionConflict as conflict:
            tell(pipe, photo=photo, version=0, author=conflict.theirs.author)


def run_race(store: Store, photos: list[int], same: bool) -> list[dict[str, Any]]:
    """What all racers were told."""
    url = store.database.engine.url.render_as_string(hide_password=False)
    children = [Child(race, url, store.folder, number, photos, same) for number in range(RACERS)]
    for child in children:
        assert child.next()["what"] == "ready"
    (store.folder / "go").touch()
    told = [line for child in children for line in child.listen(len(photos))]
    assert all(child.end() == 0 for child in children)
    return told


@pytest.fixture(params=[5, pytest.param(200, marks=pytest.mark.faults)])
def photos(request: pytest.FixtureRequest, store: Store) -> list[int]:
    """Photos that nobody has done."""
    rows = [store.photos.add(drawn(seed), by="Anna").row for seed in range(request.param)]
    return [row.id for row in rows if row is not None]


def test_a_save_that_several_send_at_once_is_one_version(store: Store, photos: list[int]) -> None:
    told = run_race(store, photos, same=True)
    assert len(told) == RACERS * len(photos) and {line["version"] for line in told} == {1}
    for photo in photos:
        assert len({line["author"] for line in told if line["photo"] == photo}) == 1
        assert len(store.annotations.history(photo)) == 1
    assert [*faults_of(store)] == []


def test_of_several_people_who_save_one_photo_at_once_one_does_and_the_others_learn_who(
    store: Store, photos: list[int]
) -> None:
    told = run_race(store, photos, same=False)
    for photo in photos:
        of_photo = [line for line in told if line["photo"] == photo]
        assert Counter(line["version"] for line in of_photo) == {1: 1, 0: RACERS - 1}
        [saved] = store.annotations.history(photo)
        assert {line["author"] for line in of_photo} == {saved.author}
    assert [*faults_of(store)] == []


def test_a_save_sent_again_much_later_is_still_the_same_version(store: Store) -> None:
    row = store.photos.add(drawn(1), by="Anna").row
    assert row is not None
    boxes = [AnnotatedBox((10, 10, 50, 60), store.categories.all()[0].id)]
    submit = store.annotations.submit
    first = submit(row.id, boxes, author="Anna", base_version=0, request="first")
    second = submit(row.id, [], author="Ben", base_version=1, request="second")
    assert submit(row.id, boxes, author="Anna", base_version=0, request="first") == first
    assert store.annotations.latest(row.id) == second
