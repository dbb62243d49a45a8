"""``people``, ``audit``: who may do what with a store, and who did what."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.access import Role
from core.cli.console import (
    Data,
    account_name,
    iso_time,
    open_store,
    output_file,
    pass_data_on,
    print_json,
)

if TYPE_CHECKING:
    from core.store.users import User

Name = Annotated[
    str,
    typer.Argument(
        help="As it stands at their work: the e-mail, if the sign-in vouches for it.", show_default=False
    ),
]

_TIMES = ("at", "expires_at", "used_at", "revoked_at")

app = typer.Typer(help="Who may do what: a JSON line a person.", invoke_without_command=True)


@app.callback()
def everybody(context: typer.Context, data: Data = None) -> None:
    """Who may do what: a JSON line a person."""
    pass_data_on(context, data)
    if context.invoked_subcommand is None:
        for person in open_store(data).users.all():
            print_json(_described(person))


@app.command()
def grant(name: Name, role: Annotated[Role, typer.Argument(show_default=False)], data: Data = None) -> None:
    """Give somebody a role, also before they sign in for the first time."""
    print_json(_described(open_store(data).users.set_role(name, role)))


@app.command()
def revoke(name: Name, data: Data = None) -> None:
    """Take a role back that was granted: the one that the sign-in names counts again."""
    print_json(_described(open_store(data).users.set_role(name, None)))


projects = typer.Typer(
    help="Projects, each with a store of its own: a JSON line each.", invoke_without_command=True
)


@projects.callback()
def every_project(context: typer.Context, data: Data = None) -> None:
    """Projects, each with a store of its own: a JSON line each."""
    from core.store.projects import all_projects, open_chosen

    pass_data_on(context, data)
    if context.invoked_subcommand is None:
        for project in all_projects(open_chosen(data, "")):
            print_json({"slug": project.slug, "name": project.name})


@projects.command("add")
def new_project(
    name: Annotated[str, typer.Argument(help="Its name.", show_default=False)], data: Data = None
) -> None:
    """Make a new, empty project; its slug is what --project takes."""
    from core.store.projects import add_project, open_chosen

    store = open_chosen(data, "")
    made = add_project(store.acting(store.actor.known_as(account_name())), name)
    print_json({"slug": made.slug, "name": made.name})


tokens = typer.Typer(help="Tokens of the HTTP API: a JSON line each.", invoke_without_command=True)


@tokens.callback()
def all_tokens(context: typer.Context, data: Data = None) -> None:
    """Tokens of the HTTP API that are not revoked: a JSON line each."""
    pass_data_on(context, data)
    if context.invoked_subcommand is None:
        for token in open_store(data).api_tokens.all():
            times = {
                name: value and iso_time(value) for name, value in asdict(token).items() if name in _TIMES
            }
            print_json(asdict(token) | times)


@tokens.command("add")
def add_token(
    label: Annotated[str, typer.Argument(help="What it is for, in a few words.", show_default=False)],
    person: Annotated[str | None, typer.Option(help="In whose name it acts; by default yours.")] = None,
    days: Annotated[int, typer.Option(help="How long it is valid; 0: without end.", min=0)] = 365,
    data: Data = None,
) -> None:
    """Make a token, which is printed this once."""
    name = person or account_name()
    token = open_store(data).api_tokens.create(label, person=name, days=days or None)
    print_json({"token": token, "person": name, "label": label})


@tokens.command("revoke")
def revoke_token(id: Annotated[int, typer.Argument(show_default=False)], data: Data = None) -> None:
    """End a token at once."""
    open_store(data).api_tokens.revoke(id)


def audit(
    csv: Annotated[Path | None, typer.Option(help="Write all of it into this file instead.")] = None,
    most: Annotated[int, typer.Option(help="How many entries.", min=1, max=1_000_000)] = 200,
    data: Data = None,
) -> None:
    """Who did what: the latest entries, a JSON line each, newest first."""
    log = open_store(data).audit
    if csv is None:
        for entry in log.entries(most):
            print_json(asdict(entry) | {"at": iso_time(entry.at)})
        return
    with output_file(csv) as file:
        out = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
        count = log.export_csv(out)
        out.flush()
        out.detach()
    print_json({"file": str(csv), "entries": count})


def _described(person: User) -> dict[str, Any]:
    return {
        "name": person.name,
        "roles": sorted(person.roles),
        "granted": person.role,
        "claimed": list(person.claimed),
        "seen_at": None if person.seen_at is None else iso_time(person.seen_at),
    }
