"""Access control for media files, which Streamlit serves to everybody who knows the URL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from app.auth.claims import subject_of

MIN_PRUNED = 4096


class MediaOwners:
    """Who was given the URL of which file; nobody else may fetch it.

    Streamlit's media manager keeps files by a digest of their content, with the tabs that show them, and asks
    nobody who fetches them. Here it is noted down to whom a run of a page handed a file.
    """

    def __init__(self) -> None:
        self._given: dict[str, set[str]] = {}
        self._promised: dict[str, str] = {}  # a download that is made when it is asked for
        self._limit = MIN_PRUNED
        self._lock = threading.Lock()

    def give(self, address: str, person: str) -> None:
        """Note that a user was given the URL of a file."""
        with self._lock:
            self._given.setdefault(file_id(address), set()).add(person)

    def may_have(self, address: str, person: str) -> bool:
        """Whether this user was given the URL, rather than found it elsewhere."""
        with self._lock:
            return person in self._given.get(file_id(address), ())

    def watch(self, manager: MediaFileManager, person: Callable[[], str | None]) -> None:
        """Note down from now on what the manager hands out; ``person`` says whose page is running.

        Streamlit has no hook for it, so the manager's own methods are wrapped.
        """
        add, promise, make = manager.add, manager.add_deferred, manager.execute_deferred

        def noted_add(*args: Any, **kwargs: Any) -> str:
            address = add(*args, **kwargs)
            self._note(address, person(), manager)
            return address

        def noted_promise(*args: Any, **kwargs: Any) -> str:
            placeholder = promise(*args, **kwargs)
            with self._lock:
                self._promised[placeholder] = person() or ""
            self._prune(manager)
            return placeholder

        def noted_make(placeholder: str) -> str:
            address = make(placeholder)
            with self._lock:
                owner = self._promised.get(placeholder)
            self._note(address, owner, manager)
            return address

        for name, method in (
            ("add", noted_add), ("add_deferred", noted_promise), ("execute_deferred", noted_make)
        ):  # fmt: skip
            setattr(manager, name, method)

    def _note(self, address: str, person: str | None, manager: MediaFileManager) -> None:
        if person:
            self.give(address, person)
        self._prune(manager)

    def _prune(self, manager: MediaFileManager) -> None:
        """Forget files that the manager has dropped, once they may be half of those noted."""
        with self._lock:
            if len(self._given) + len(self._promised) < self._limit:
                return
            self._given = {
                id: people for id, people in self._given.items() if manager.read_file(id) is not None
            }
            self._promised = dict(list(self._promised.items())[-MIN_PRUNED // 2 :])
            self._limit = max(MIN_PRUNED, 2 * (len(self._given) + len(self._promised)))


def person_of_run() -> str | None:
    """The subject of the user whose page runs in this thread; None for an unknown one."""
    context = get_script_run_ctx(suppress_warning=True)
    return subject_of(context.user_info) if context is not None else None


def file_id(address: str) -> str:
    """A media file's name in its address, without the ending, as Streamlit's storage takes it."""
    return PurePosixPath(address).stem
