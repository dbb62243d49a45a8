"""Projects: stores beside the first one, each with categories, queue, holdout, models and people of its own.

A project is a whole store. Its files lie in ``projects/SLUG`` of the data folder, its tables in a SQLite file
there or, in PostgreSQL, in a schema ``lapel_SLUG``; its blobs below those of the first. The store that a data
folder begins with is the first project, whose slug is empty. Their names are a setting of the first store.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from core.access import Right, needs
from core.errors import NotFoundError, StoreError
from core.file_names import free_name
from core.files import data_folder
from core.store import BLOBS_VARIABLE, DATABASE_VARIABLE, Store, sqlite_url
from core.store.database import Database, one_line

PROJECT_VARIABLE = "LAPEL_PROJECT"
FIRST = ""
FIRST_NAME = "First project"
FOLDER = "projects"
MOST_NAME = 60
MOST_PROJECTS = 200
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True)
class Project:
    """A project's name, and the slug that addresses, folders and schemas have; empty for the first."""

    slug: str
    name: str
    by: str = ""
    at: float = 0.0


@needs(Right.PREVIEW)
def all_projects(store: Store) -> list[Project]:
    """The projects in the order in which they were made, after the first, whose ``store`` this is."""
    return _listed(store.settings.known_projects())


@needs(Right.SETTINGS)
def add_project(store: Store, name: str) -> Project:
    """Make a new, empty project; ``store`` is the first. Raises StoreError for an unfit or taken name."""
    known = store.settings.known_projects()
    name = _free(known, name)
    slug = free_name(_slug_of(name), {entry["slug"] for entry in known}.__contains__, "{stem}-{number}")
    blobs = None if store.blobs.url == str(store.folder / "blobs") else store.blobs.url
    url = store.database.engine.url.render_as_string(hide_password=False)
    place = project_place(slug, url, store.folder, blobs)
    if not place.url.startswith("sqlite"):
        database = Database.connect(place.url)
        database.create_namespace()
        database.close()
    _open(place).close()
    at = float(store.database.value(sa.select(store.database.now)))
    made = Project(slug, name, store.actor.name, at)
    store.settings.change_projects(lambda entries: _with(entries, made))
    return made


@needs(Right.SETTINGS)
def rename_project(store: Store, slug: str, name: str) -> Project:
    """Give a project another name; its slug stays. Raises NotFoundError, StoreError as ``add_project``."""
    old = next((project for project in all_projects(store) if project.slug == slug), None)
    if old is None:
        raise NotFoundError(f"There is no project {slug!r}.")
    new = Project(slug, name, old.by, old.at)
    store.settings.change_projects(lambda entries: _with(entries, new))
    return new


def open_project(slug: str, folder: Path, url: str | None = None, blobs: str | None = None) -> Store:
    """A project's store; ``folder``, ``url`` and ``blobs`` are the first one's. Raises NotFoundError."""
    place = project_place(slug, url, folder, blobs)
    if not _exists(place):
        raise NotFoundError(f"There is no project {slug!r}.")
    return _open(place)


def open_chosen(folder: Path | None = None, slug: str | None = None) -> Store:
    """The project of ``slug``, by default of ``LAPEL_PROJECT``, in a data folder. Raises NotFoundError."""
    slug = os.environ.get(PROJECT_VARIABLE, FIRST).strip() if slug is None else slug
    if slug == FIRST:
        return Store.open(folder=folder)
    home = (folder or data_folder()).absolute()
    return open_project(slug, home, os.environ.get(DATABASE_VARIABLE), os.environ.get(BLOBS_VARIABLE))


@dataclass(frozen=True)
class Place:
    """Where a project's tables, files and blobs are."""

    url: str
    folder: Path
    blobs: str


def project_place(slug: str, url: str | None, folder: Path, blobs: str | None) -> Place:
    """Where a project is, by the first one's database, folder and blobs. Raises StoreError for a bad slug."""
    if not _SLUG.fullmatch(slug):
        raise StoreError(f"expected a project's slug, small letters, digits and hyphens, got {slug[:60]!r}")
    home = folder / FOLDER / slug
    place = sqlite_url(home)
    if url is not None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreError(f"expected a database URL, got: {error}") from None
        if parsed.get_backend_name() != "sqlite":
            path = f"-csearch_path=lapel_{slug.replace('-', '_')}"
            given = parsed.query.get("options", "")
            options = " ".join([given] if isinstance(given, str) else given)
            parsed = parsed.update_query_dict({"options": f"{options} {path}".strip()})
            place = parsed.render_as_string(hide_password=False)
    return Place(place, home, f"{blobs.rstrip('/')}/{FOLDER}/{slug}" if blobs else str(home / "blobs"))


def _open(place: Place) -> Store:
    return Store.open(place.url, place.folder, place.blobs)


def _exists(place: Place) -> bool:
    if place.url.startswith("sqlite"):
        return (place.folder / "lapel.db").is_file()
    database = Database.connect(place.url)
    try:
        return database.has_namespace()
    except sa.exc.DBAPIError as error:
        raise StoreError(f"The database cannot be opened: {error.orig}.") from error
    finally:
        database.close()


def _listed(entries: list[dict[str, Any]]) -> list[Project]:
    named = {entry["slug"]: Project(**entry) for entry in entries}
    first = named.pop(FIRST, Project(FIRST, FIRST_NAME))
    return [first, *sorted(named.values(), key=lambda project: project.at)]


def _with(entries: list[dict[str, Any]], project: Project) -> list[dict[str, Any]]:
    """The entries with this project, which takes the place of the one with its slug. Raises StoreError."""
    others = [entry for entry in entries if entry["slug"] != project.slug]
    named = replace(project, name=_free(entries, project.name, but=project.slug))
    if len(others) == len(entries) and len(entries) >= MOST_PROJECTS:
        raise StoreError(f"There are {MOST_PROJECTS} projects already.")
    return [*others, asdict(named)]


def _slug_of(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:30].strip("-") or "project"


def _free(entries: list[dict[str, Any]], name: str, but: str | None = None) -> str:
    """The name, trimmed. Raises StoreError where it is empty, too long, or another project's."""
    name = one_line(name, MOST_NAME + 1)
    if not 1 <= len(name) <= MOST_NAME:
        raise StoreError(f"expected a project's name of 1 to {MOST_NAME} characters, got {len(name)}")
    for project in _listed(entries):
        if project.name.casefold() == name.casefold() and project.slug != but:
            raise StoreError(f"There is a project {name} already.")
    return name
