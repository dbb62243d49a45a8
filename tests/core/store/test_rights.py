"""Who may do what, in the core itself: every role against every guarded method; nothing is unguarded."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import core.store
from core.access import GUARDED, LOCAL, RIGHTS, Actor, Right, Role
from core.errors import AccessError
from core.store import Store, StoreTable

TABLE = {
    "Photos": {
        Right.READ: "get picture thumbnail_of open page count last_id",
        Right.IMPORT: "add prepare add_prepared find_at_ends find_listed names_among",
        Right.DELETE: "delete sweep",
    },
    "Categories": {
        Right.READ: "all by_id attributes",
        Right.IMPORT: "ensure",
        Right.TAXONOMY: "add rename set_attributes add_defaults",
    },
    "Predictions": {
        Right.READ: "get missing missing_among missing_by_import missing_count iterate made_after embedded "
        "embeddings beside_annotations of_photos last_at latest_models score_threshold",
        Right.IMPORT: "save",
        Right.DELETE: "prune",
    },
    "Imports": {Right.READ: "get recent refusals", Right.IMPORT: "begin progress cancel retry refuse"},
    "Jobs": {
        Right.READ: "get recent latest running resumed cancelled",
        Right.IMPORT: "begin request retry progress finish",
    },
    "Settings": {
        Right.PREVIEW: "known_projects",
        Right.READ: "get own",
        Right.ANNOTATE: "put_own",
        Right.SETTINGS: "put remember change_projects",
    },
    "projects": {Right.PREVIEW: "all_projects", Right.SETTINGS: "add_project rename_project"},
    "Annotations": {
        Right.READ: "latest latest_of history version annotated_count newest_versions training_pool last_id "
        "count_since photos_saved_after",
        Right.ANNOTATE: "submit",
    },
    "Drafts": {Right.READ: "load of", Right.ANNOTATE: "save drop", Right.DELETE: "prune"},
    "Queue": {
        Right.READ: "upcoming get last_done counts open_photos head reviews_imported",
        Right.IMPORT: "fill review_imported add_up_counts",
        Right.ANNOTATE: "order next take renew release skip put_first recall_skipped",
    },
    "PhotoNotes": {
        Right.READ: "comments comments_of newest_comment tags_of known_tags",
        Right.ANNOTATE: "comment tag",
    },
    "ConsensusReviews": {Right.READ: "waiting get", Right.REVIEW: "accept returned"},
    "Revisions": {
        Right.READ: "all get items names photos annotation_ids box_sizes",
        Right.EXPORT: "create of_chosen chosen_items",
    },
    "Users": {Right.PEOPLE: "all set_role"},
    "Audit": {Right.PEOPLE: "entries export_csv"},
    "corrections": {Right.READ: "changes_between first_submissions"},
    "statistics": {Right.READ: "count_annotations statistics_state proposed_holdout daily_work agreements"},
    "Webhooks": {
        Right.SETTINGS: "add all set_active remove test deliveries redeliver due to_send attempted sweep"
    },
    "Search": {
        Right.READ: "photos count ids boxes boxes_at best_predicted count_boxes box_names labels users"
    },
    "bulk": {Right.ANNOTATE: "relabel undo_relabel put_first assign tag"},
    "guidelines": {
        Right.READ: "guidelines examples_of",
        Right.TAXONOMY: "write_guideline add_examples remove_examples",
    },
    "exports": {Right.EXPORT: "export_revision export_chosen"},
    "backup": {Right.SETTINGS: "backup"},
    "client": {
        Right.IMPORT: "start_import start_labeling cancel resume",
        Right.ANNOTATE: "start_ordering",
        Right.TRAIN: "start_training cancel_training require_finetuned champions_refusal",
    },
}

OPEN = {
    "Store.acting": "says in whose name; only the app and the command line hold a store that may do all",
    "Store.close": "gives connections back",
    "Store.check": "tells a probe of readiness whether the database answers",
    "Users.sign_in": "is asked before it is known who somebody is",
    "Users.actor_of": "as sign_in",
    "Users.actor_called": "as sign_in, by a token",
    "ApiTokens.create": "makes a token of one's own, with one's own rights",
    "ApiTokens.all": "shows one's own; those of all to who manages people",
    "ApiTokens.revoke": "ends one's own; those of all for who manages people",
    "ApiTokens.person_of": "is asked before it is known who somebody is",
    "Audit.record": "adds an entry in one's own name, and changes none",
    "Models.register_shipped": "registers the weights that ship, in a new store and after an update",
    "Models.champion_ids": "tells a process that labels whether its models still serve",
    "importing.prepare_import": "an import's steps, each through the store's guarded objects",
    "importing.import_batch": "an import's steps",
    "importing.finish_import": "an import's steps",
    "importing.fail_import": "an import's steps",
    "importing.import_all": "an import's steps",
    "importing.skip_photo": "an import's steps",
    "importing.prepare_photos": "an import's steps",
    "import_step.prepare_item": "an import's steps",
}


def modules() -> list[Any]:
    """The store's modules, and what pages call to have work done."""
    names = [module.name for module in pkgutil.iter_modules(core.store.__path__, "core.store.")]
    names = [name for name in names if not name.endswith("migrations")]
    return [core.store, *map(importlib.import_module, [*names, "core.jobs.client"])]


def short(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def guarded_calls(store: Store) -> dict[str, Callable[..., Any]]:
    """Everything guarded by its short name, as something to call without arguments."""
    modules()
    objects = {type(part).__name__: part for part in parts(store)}
    found = {}
    for name in GUARDED:
        if name.startswith(("core.store.", "core.jobs.client.")):
            owner, method = name.split(".")[-2:]
            if owner in objects:
                found[short(name)] = getattr(objects[owner], method)
            else:
                function = getattr(importlib.import_module(name.rpartition(".")[0]), method)
                found[short(name)] = lambda function=function: function(store)
    return found


def parts(store: Store) -> list[Any]:
    """All objects that a store hands out."""
    return [
        getattr(store, name)
        for name, member in vars(Store).items()
        if isinstance(member, property | StoreTable)
    ]


def is_refused(call: Callable[..., Any]) -> bool:
    """Whether a call without arguments is refused for a lack of rights, rather than of arguments."""
    try:
        call()
    except AccessError:
        return True
    except Exception:
        return False
    return False


def test_every_deed_takes_the_right_of_the_table():
    modules()
    guarded = {short(name): right for name, right in GUARDED.items()}
    wanted = {
        f"{owner}.{name}": right
        for owner, rights in TABLE.items()
        for right, names in rights.items()
        for name in names.split()
    }
    assert {name: right for name, right in guarded.items() if name.split(".")[0] in TABLE} == wanted


@pytest.mark.parametrize("role", [*Role, None])
def test_a_role_may_do_what_its_rights_say_and_nothing_else(fresh_store, role):
    store = fresh_store("sqlite")
    actor = Actor("Anna", frozenset({role} if role else ()))
    rights = RIGHTS[role] if role else frozenset()
    refused = {name for name, call in guarded_calls(store.acting(actor)).items() if is_refused(call)}
    wanted = {
        short(name)
        for name, right in GUARDED.items()
        if name.startswith(("core.store.", "core.jobs.client.")) and right not in rights
    }
    assert refused == wanted


def test_a_merchant_can_do_nothing_in_the_store_but_label(fresh_store):
    store = fresh_store("sqlite")
    allowed = {name for name, call in guarded_calls(store.acting(merchant())).items() if not is_refused(call)}
    names_of_projects = {"Settings.known_projects", "projects.all_projects"}
    assert allowed == {"Models.champion", "Models.file_of"} | names_of_projects


def merchant() -> Actor:
    return Actor("Mona", frozenset({Role.MERCHANT}))


def test_what_a_store_hands_out_is_guarded_or_open_for_a_reason(fresh_store):
    modules()
    guarded = {short(name) for name in GUARDED}
    store = fresh_store("sqlite")
    public = {
        f"{type(part).__name__}.{name}"
        for part in (store, *parts(store))
        for name, member in inspect.getmembers(type(part), inspect.isfunction)
        if not name.startswith("_")
    }
    assert public - guarded == {name for name in OPEN if name[0].isupper()}


def test_what_takes_a_store_is_guarded_or_open_for_a_reason():
    """Functions of the store's modules whose first parameter is a store."""
    guarded = {short(name) for name in GUARDED}
    public = {
        f"{module.__name__.split('.')[-1]}.{name}"
        for module in modules()
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and next(iter(inspect.signature(function).parameters), "") == "store"
    }
    assert public - guarded == {name for name in OPEN if name.startswith("import")}


def test_a_lock_has_a_number_of_its_own():
    numbers: dict[int, str] = {}
    for module in modules():
        for name, value in vars(module).items():
            if name.endswith("LOCK") and isinstance(value, int) and name.startswith("_"):
                assert numbers.setdefault(value, module.__name__) == module.__name__
    assert len(numbers) >= 4


def test_the_machine_may_do_all():
    assert LOCAL.rights == frozenset(Right)
