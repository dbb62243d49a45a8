"""What a person has chosen on the page Data: photos and boxes by their keys, and their last bulk change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.inference.predictions import Drafted

KEY, RESULT_KEY = "chosen", "chosen-result"


@dataclass
class Chosen:
    """What a person has chosen in this session, by view, and their last bulk change with its undo.

    Keys name photos ("12") and annotated boxes ("12:uid"); predicted boxes ("12#3") have no uid.
    """

    keys: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    undo: tuple[str, str] | None = None
    drafted: Drafted | None = None
    """The last bulk change where it was one of predicted boxes."""

    acts: int = 0
    """How often something was done: the next form is another one, and closed."""

    def of(self, view: str) -> list[str]:
        """The keys of a view in the order of choosing."""
        return list(self.keys[view])

    def choose(self, view: str, keys: Sequence[str], on: bool) -> None:
        """Choose some more, or fewer."""
        for key in keys:
            if on:
                self.keys[view][key] = None
            else:
                self.keys[view].pop(key, None)

    def clear(self, view: str) -> None:
        """Choose none."""
        self.keys[view].clear()


def chosen() -> Chosen:
    """This session's."""
    if KEY not in st.session_state:
        st.session_state[KEY] = Chosen()
    found: Chosen = st.session_state[KEY]
    return found


def photo_of(key: str) -> int:
    """The number of the photo that a key names, or whose box it names."""
    return int(key.replace("#", ":").partition(":")[0])


def predicted_of(keys: Sequence[str]) -> dict[int, list[int]]:
    """The places of the predicted boxes among keys, by photo."""
    found: dict[int, list[int]] = defaultdict(list)
    for key in keys:
        photo, separator, place = key.partition("#")
        if separator and place.isdecimal():
            found[int(photo)].append(int(place))
    return dict(found)


def boxes_of(keys: Sequence[str]) -> dict[int, list[str]]:
    """The annotated boxes among keys, by photo."""
    found: dict[int, list[str]] = defaultdict(list)
    for key in keys:
        photo, separator, uid = key.partition(":")
        if separator:
            found[int(photo)].append(uid)
    return dict(found)
