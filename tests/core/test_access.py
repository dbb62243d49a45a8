"""Roles and rights: the table that the project promises, and the guard that holds it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.access import GUARDED, LOCAL, RIGHTS, Actor, Right, Role, needs
from core.errors import AccessError, NotFoundError

PROMISED = {
    Role.MERCHANT: "preview",
    Role.ANNOTATOR: "preview read import annotate review export",
    Role.RESEARCHER: "preview read import annotate review export explain train",
    Role.ADMIN: "preview read import annotate review export explain train promote delete taxonomy people"
    " settings",
}


@dataclass(frozen=True)
class Door:
    actor: Actor

    @needs(Right.TRAIN)
    def enter(self, steps: int = 1) -> int:
        """Go through."""
        return steps


@pytest.mark.parametrize("role", Role)
def test_a_role_has_the_rights_that_were_promised_and_no_other(role):
    assert {right.name.lower() for right in RIGHTS[role]} == set(PROMISED[role].split())


def test_several_roles_bring_the_rights_of_all_and_unknown_ones_none():
    both = Actor.of("Anna", ["annotator", "researcher", "emperor"])
    assert both.roles == {Role.ANNOTATOR, Role.RESEARCHER} and both.may(Right.TRAIN)
    assert Actor.of("Eve", ["emperor"]).rights == frozenset()


def test_a_guarded_method_runs_for_those_who_may_and_says_why_for_others():
    assert Door(LOCAL).enter(steps=3) == 3
    with pytest.raises(
        AccessError, match="^Mona may not train models: that takes another role than merchant.$"
    ):
        Door(Actor.of("Mona", ["merchant"])).enter()
    with pytest.raises(AccessError, match="nobody's role"):
        Door(Actor("Eve")).enter()


def test_guarded_methods_are_listed_and_keep_their_names():
    assert GUARDED[f"{__name__}.Door.enter"] == Right.TRAIN
    assert Door.enter.__doc__ == "Go through."


def test_only_without_sign_in_does_a_person_say_whose_name_stands_at_their_work():
    assert LOCAL.known_as("Ben") == Actor("Ben", LOCAL.roles, is_local=True)
    for role in Role:
        anna = Actor("Anna", frozenset({role}))
        assert anna.known_as("Ben") == anna


def test_nobody_can_sign_in_as_the_local_person():
    impostor = Actor.of("local", ["admin"])
    assert impostor != LOCAL and not impostor.is_local


def test_another_persons_work_is_not_found_except_by_those_who_manage_people():
    anna, admin = Actor.of("Anna", ["researcher"]), Actor.of("Ada", ["admin"])
    for actor in (anna, LOCAL):
        actor.require_own("Anna")
        actor.require_sight("Anna")
    LOCAL.require_own("Ben")
    admin.require_sight("Ben")
    for refused in (anna.require_own, anna.require_sight, admin.require_own):
        with pytest.raises(NotFoundError):
            refused("Ben")
