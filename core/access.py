"""Who may do what: roles, the rights they bring, and the person in whose name something is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from core.errors import AccessError, NotFoundError

INITIAL_AUTHOR = "lapel"
"""The author of the categories that an empty store begins with."""


class Role(StrEnum):
    """What a person is to a workspace, from the fewest rights to all."""

    MERCHANT = "merchant"
    ANNOTATOR = "annotator"
    RESEARCHER = "researcher"
    ADMIN = "admin"


class Right(StrEnum):
    """What can be allowed; the value completes "may not ..."."""

    PREVIEW = "label photos"
    READ = "see the store's photos"
    IMPORT = "bring photos in"
    ANNOTATE = "annotate"
    REVIEW = "review annotations"
    EXPORT = "take revisions away"
    EXPLAIN = "look into the models"
    TRAIN = "train models"
    PROMOTE = "promote models"
    DELETE = "delete photos"
    TAXONOMY = "change the categories"
    PEOPLE = "manage people"
    SETTINGS = "change the workspace's settings"


_MERCHANT = frozenset({Right.PREVIEW})
_ANNOTATOR = _MERCHANT | {Right.READ, Right.IMPORT, Right.ANNOTATE, Right.REVIEW, Right.EXPORT}
_RESEARCHER = _ANNOTATOR | {Right.EXPLAIN, Right.TRAIN}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.MERCHANT: _MERCHANT,
    Role.ANNOTATOR: _ANNOTATOR,
    Role.RESEARCHER: _RESEARCHER,
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True)
class Actor:
    """Somebody who acts: the name under which their work is saved, and their roles (none: no rights).

    ``is_local`` is the user of a workspace without sign-in, who gives a name with each action. Everybody else
    has their own.
    """

    name: str
    roles: frozenset[Role] = frozenset()
    is_local: bool = field(default=False, kw_only=True)

    @classmethod
    def of(cls, name: str, roles: Iterable[str]) -> Actor:
        """An actor of the roles by their names; names that are no role bring nothing."""
        known = {role.value for role in Role}
        return cls(name, frozenset(Role(role) for role in roles if role in known))

    @property
    def rights(self) -> frozenset[Right]:
        """All that the roles allow."""
        return frozenset(right for role in self.roles for right in RIGHTS[role])

    def may(self, right: Right) -> bool:
        """Whether a right is among this person's."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raises AccessError with one sentence where the right is missing."""
        if not self.may(right):
            roles = ", ".join(sorted(self.roles)) or "nobody's role"
            raise AccessError(f"{self.name} may not {right.value}: that takes another role than {roles}.")

    def known_as(self, name: str) -> Actor:
        """In whose name something is saved: without sign-in the name that is given, else always their own."""
        return replace(self, name=name) if self.is_local else self

    def require_own(self, name: str) -> None:
        """Raises NotFoundError where the work of this name is another person's."""
        if not self.is_local and name != self.name:
            raise NotFoundError(f"There is no such work of {self.name}.")

    def require_sight(self, name: str) -> None:
        """As ``require_own``, but who manages people sees the work of all of them."""
        if not self.may(Right.PEOPLE):
            self.require_own(name)


LOCAL = Actor("local", frozenset({Role.ADMIN}), is_local=True)
"""The user of this machine, and the machine itself: all rights."""


class Acting(Protocol):
    """What acts in somebody's name."""

    @property
    def actor(self) -> Actor:
        """In whose name."""


Self = TypeVar("Self", bound=Acting)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Method = Callable[Concatenate[Self, Arguments], Result]

GUARDED: dict[str, Right] = {}
"""Every guarded method by its qualified name, with the right that it takes."""


def needs(right: Right) -> Callable[[Method[Self, Arguments, Result]], Method[Self, Arguments, Result]]:
    """Check the actor's right before a method runs: AccessError, and nothing done, where it is missing."""

    def guard(method: Method[Self, Arguments, Result]) -> Method[Self, Arguments, Result]:
        GUARDED[f"{method.__module__}.{getattr(method, '__qualname__', '')}"] = right

        @wraps(method)
        def checked(self: Self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            self.actor.require(right)
            return method(self, *args, **kwargs)

        guarded: Any = checked
        return guarded

    return guard
