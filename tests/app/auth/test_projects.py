"""A tab shows the project of its address, with the roles that its person has there, and stays in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.auth.projects import current_project
from app.resources import machine_store
from core.access import Role
from core.store import Store
from core.store.projects import add_project, all_projects, open_chosen
from tests.app.signing_in import configure
from tests.oidc import person
from tests.pages.workspace import fresh_store, texts, unopened
from tests.pictures import jpeg

BO = "bo@example.com"


@pytest.fixture
def first(monkeypatch, tmp_path: Path) -> Store:
    store = fresh_store(monkeypatch, tmp_path)
    add_project(store, "Second")
    return store


def page_of(monkeypatch, store: Store, page: str, project: str = "", claims: dict | None = None) -> AppTest:
    app = unopened(monkeypatch, store.folder)
    if project:
        app.query_params["project"] = project
    if claims:
        configure(monkeypatch)
        app.user = {"is_logged_in": True, **claims}
    app.run()
    return app.switch_page(f"../pages/{page}.py").run()


def test_a_page_shows_its_projects_photos_and_keeps_its_address(monkeypatch, first):
    from core.images.decode import read_photo

    second = open_chosen(first.folder, "second")
    second.photos.add(read_photo(jpeg(), "of-second.jpg"), by="ann")
    shown = page_of(monkeypatch, first, "data", "second")
    assert not shown.exception and "1 photo ·" in texts(shown)
    assert "second" in shown.query_params["project"]
    other = page_of(monkeypatch, first, "data")
    assert "1 photo ·" not in texts(other) and "project" not in other.query_params


def test_a_project_that_is_not_there_is_one_sentence_with_a_way_to_the_first(monkeypatch, first):
    shown = unopened(monkeypatch, first.folder)
    shown.query_params["project"] = "nope"
    assert "There is no project" in texts(shown.run()) and not shown.exception
    (link,) = shown.get("link_button")
    assert link.proto.label == "Open the first project" and link.proto.url == "/"


def test_roles_are_those_of_the_project(monkeypatch, first):
    open_chosen(first.folder, "second").users.set_role(BO, Role.ADMIN)
    there = page_of(monkeypatch, first, "people", "second", person(BO))
    assert not there.exception and "Projects" in [tab.label for tab in there.tabs]
    here = unopened(monkeypatch, first.folder)
    here.user = {"is_logged_in": True, **person(BO)}
    here.run()
    with pytest.raises(ValueError, match="people"):  # to a merchant the page does not exist
        here.switch_page("../pages/people.py").run()


def test_an_admin_of_the_first_adds_and_renames_projects(monkeypatch, first):
    shown = page_of(monkeypatch, first, "people")
    shown.query_params["people"] = "Projects"
    shown.run()
    shown.text_input(key="project-name").set_value("Third")
    next(button for button in shown.button if button.label == "Add a project").click().run()
    assert not shown.exception and [project.name for project in all_projects(first)][-1] == "Third"
    shown.text_input(key="project-name-third-Third").set_value("Second").run()
    assert "There is a project Second already" in texts(shown)


def test_outside_a_page_the_first_project_is_meant(first):
    assert current_project() == "" and machine_store().folder == first.folder
