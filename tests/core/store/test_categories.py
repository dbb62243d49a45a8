"""Categories: an empty store has the street's, people add and rename, names differ whatever their case."""

from __future__ import annotations

import threading

import pytest

from core.errors import ConflictError, NotFoundError, StoreError
from core.taxonomy import load_taxonomy
from tests.databases import on_sqlite


def names(store) -> list[str]:
    return [category.name for category in store.categories.all()]


def test_an_empty_store_begins_with_the_streets_thirteen(store):
    taxonomy = load_taxonomy("street13")
    found = store.categories.all()
    assert tuple(category.name for category in found) == taxonomy.categories
    assert tuple(category.color for category in found) == taxonomy.colors
    assert [category.position for category in found] == list(range(13))


def test_opening_again_adds_nothing(store):
    store.categories.rename(1, "rucksack", "ada")
    store.categories.add_defaults()
    assert len(names(store)) == 13


def test_an_added_category_comes_last_and_is_trimmed(store):
    added = store.categories.add("  rain\x00   coat ", "ada")
    assert (added.name, added.position) == ("rain coat", 13)
    assert store.categories.all()[-1] == added and store.categories.by_id()[added.id] == added


@pytest.mark.parametrize("name", ["Dress", "dress ", "DRESS"])
def test_a_known_name_is_not_added_again_whatever_its_case(store, name):
    with pytest.raises(ConflictError, match="'dress'"):
        store.categories.add(name, "ada")
    assert len(names(store)) == 13


@on_sqlite
@pytest.mark.parametrize("name", ["", "  ", "\x00\x1b\u202e", "x" * 61])
def test_an_empty_and_an_endless_name_are_refused(store, name):
    with pytest.raises(StoreError, match="1 to 60"):
        store.categories.add(name, "ada")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "=cmd()", "x" * 60, "コート", "'; drop table photos"]
)
def test_what_means_something_elsewhere_is_a_name_like_any(store, name):
    assert store.categories.add(name, "ada").name == name


def test_a_renamed_category_keeps_its_number_and_place(store):
    before = next(category for category in store.categories.all() if category.name == "outerwear")
    after = store.categories.rename(before.id, "Overcoat", "ada")
    assert (after.id, after.position, after.name) == (before.id, before.position, "Overcoat")
    assert "outerwear" not in names(store)


def test_a_category_may_change_the_case_of_its_name(store):
    dress = next(category for category in store.categories.all() if category.name == "dress")
    assert store.categories.rename(dress.id, "Dress", "ada").name == "Dress"


def test_renaming_to_anothers_name_or_nothing_known_is_refused(store):
    with pytest.raises(ConflictError):
        store.categories.rename(1, "Dress", "ada")
    with pytest.raises(NotFoundError):
        store.categories.rename(999, "poncho", "ada")


def test_names_are_found_or_added(store):
    found = store.categories.ensure(["DRESS", "poncho", "Poncho "], "import")
    assert set(found) == {"DRESS", "poncho", "Poncho "}
    assert found["poncho"] == found["Poncho "] and store.categories.by_id()[found["DRESS"]].name == "dress"
    assert store.categories.ensure(["poncho"], "import")["poncho"] == found["poncho"]
    assert names(store)[13:] == ["poncho"]


def test_a_bad_name_among_many_adds_none(store):
    with pytest.raises(StoreError):
        store.categories.ensure(["poncho", ""], "import")
    assert len(names(store)) == 13


def test_two_who_add_the_same_at_once_add_one(store):
    outcomes: list[str] = []

    def add() -> None:
        try:
            outcomes.append(store.categories.add("poncho", "ada").name)
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 3 + ["poncho"]
