"""Projects: whole stores beside the first, told apart in folders, schemas, locks and jobs."""

from __future__ import annotations

import pytest

from core.access import Actor, Role
from core.errors import AccessError, NotFoundError, StoreError
from core.jobs.engine import system_schema, system_url
from core.jobs.worker_lock import try_worker_lock
from core.store import BLOBS_VARIABLE, DATABASE_VARIABLE
from core.store.projects import (
    FIRST,
    PROJECT_VARIABLE,
    Project,
    add_project,
    all_projects,
    open_chosen,
    open_project,
    project_place,
    rename_project,
)
from tests.core.store.conftest import drawn


@pytest.fixture(params=["sqlite", "postgresql"])
def first(request, fresh_store, monkeypatch):
    """The first project's store, as the environment names it."""
    store = fresh_store(request.param)
    monkeypatch.setenv(DATABASE_VARIABLE, store.database.engine.url.render_as_string(hide_password=False))
    monkeypatch.delenv(BLOBS_VARIABLE, raising=False)
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    return store


def test_a_project_has_photos_categories_people_and_jobs_of_its_own(first):
    made = add_project(first, "Winter 2027")
    assert (made.slug, made.name) == ("winter-2027", "Winter 2027")
    second = open_chosen(first.folder, made.slug)
    first.photos.add(drawn(0), by="ann")
    second.categories.add("parka", "ann")
    second.users.set_role("bo@example.com", Role.ANNOTATOR)
    assert (first.photos.count(), second.photos.count()) == (1, 0)
    second.photos.add(drawn(0), by="ann")
    assert second.photos.count() == 1 and second.blobs.url != first.blobs.url
    assert "parka" not in {category.name for category in first.categories.all()} and not first.users.all()
    assert {category.name for category in second.categories.all()} >= {"parka", "skirt"}
    assert (system_url(first), system_schema(first)) != (system_url(second), system_schema(second))
    second.close()


def test_workers_of_two_projects_do_not_take_each_others_locks(first):
    second = open_chosen(first.folder, add_project(first, "Second").slug)
    held = try_worker_lock(first, 0)
    assert held is not None and try_worker_lock(first, 0) is None
    other = try_worker_lock(second, 0)
    assert other is not None
    for lock in (held, other):
        lock.release()
    second.close()


def test_projects_are_listed_renamed_and_told_apart(first):
    assert all_projects(first) == [Project(FIRST, "First project")]
    slugs = [add_project(first, name).slug for name in ("Été!", "ete", "日本")]
    assert slugs == ["ete", "ete-2", "project"]
    rename_project(first, "ete", "Summer")
    rename_project(first, FIRST, "Street")
    assert [project.name for project in all_projects(first)] == ["Street", "Summer", "ete", "日本"]
    with pytest.raises(NotFoundError, match="no project 'x'"):
        rename_project(first, "x", "y")


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "first PROJECT"])
def test_a_name_is_short_and_no_other_projects(fresh_store, name):
    store = fresh_store("sqlite")
    with pytest.raises(StoreError, match="expected a project's name|is a project"):
        add_project(store, name)
    assert len(all_projects(store)) == 1 and not (store.folder / "projects").exists()


@pytest.mark.parametrize("slug", ["../x", "a/b", "A", "-a", "a" * 41, "a b"])
def test_no_slug_leads_out_of_the_folder(tmp_path, slug):
    with pytest.raises(StoreError, match="expected a project's slug"):
        project_place(slug, None, tmp_path, None)


def test_what_is_no_project_is_not_made_by_opening_it(first):
    with pytest.raises(NotFoundError, match="There is no project 'spring'"):
        open_chosen(first.folder, "spring")
    assert not (first.folder / "projects" / "spring").exists()
    with pytest.raises(NotFoundError):
        open_project("spring", first.folder)


def test_the_environment_chooses_one(first, monkeypatch):
    slug = add_project(first, "Second").slug
    monkeypatch.setenv(PROJECT_VARIABLE, slug)
    opened = open_chosen(first.folder)
    assert opened.folder == first.folder / "projects" / slug
    opened.close()


def test_blobs_in_an_object_store_lie_below_the_firsts(tmp_path):
    place = project_place("x-y", "postgresql+psycopg://a:b@h/d", tmp_path, "s3://bucket/lapel/")
    assert place.blobs == "s3://bucket/lapel/projects/x-y"
    assert "search_path%3Dlapel_x_y" in place.url and "a:b@h" in place.url


def test_only_admins_make_projects_and_everybody_sees_their_names(fresh_store):
    store = fresh_store("sqlite")
    add_project(store, "Second")
    ann = store.acting(Actor("ann", frozenset({Role.MERCHANT})))
    assert len(all_projects(ann)) == 2
    for act in (lambda: add_project(ann, "x"), lambda: rename_project(ann, FIRST, "x")):
        with pytest.raises(AccessError):
            act()
