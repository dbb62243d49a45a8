"""What a person has chosen on the page Data: photos and boxes by their keys, or all that a filter found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from core.store import Store
from core.store.search import PhotoQuery

KEY, RESULT_KEY = "chosen", "chosen-result"
PART = 500
"""Photos whose boxes are in memory at a time."""


@dataclass(frozen=True)
class QuerySelection:
    """All ``count`` photos, or boxes, that a query found when they were chosen.

    ``photo_ids`` (N,) are the photos, eight bytes each. Which of their boxes pass is asked when something is
    done to them.
    """

    query: PhotoQuery
    photo_ids: np.ndarray
    count: int
    of_boxes: bool

    @classmethod
    def by(cls, store: Store, query: PhotoQuery, *, of_boxes: bool) -> QuerySelection:
        """What the query finds now."""
        photo_ids = np.sort(store.search.ids(query, with_boxes=of_boxes))
        count = store.search.count_boxes(query) if of_boxes else len(photo_ids)
        return cls(query, photo_ids, count, of_boxes)

    def keys_of(self, store: Store, photo_ids: Sequence[int]) -> list[str]:
        """The keys of what was found of these photos."""
        mine = np.intersect1d(self.photo_ids, np.asarray(photo_ids, dtype=np.int64)).tolist()
        if not self.of_boxes:
            return [str(id) for id in mine]
        mark = ":" if self.query.models is None else "#"
        names = store.search.box_names(self.query, mine)
        return [f"{photo}{mark}{name}" for photo, own in names.items() for name in own]


@dataclass(frozen=True)
class Selection:
    """What something is done to: what was ``found``, apart from keys in ``without``, and single ``keys``."""

    store: Store
    keys: tuple[str, ...] = ()
    found: QuerySelection | None = None
    without: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.keys) + (self.found.count - len(self.without) if self.found else 0)

    @property
    def is_of_photos(self) -> bool:
        """Whether whole photos are chosen, and no boxes."""
        return all(key.isdecimal() for key in self.keys) and not (self.found and self.found.of_boxes)

    def photo_ids(self) -> np.ndarray:
        """The photos, or those of the boxes, each once, by number (N,)."""
        single = np.array([photo_of(key) for key in self.keys], dtype=np.int64)
        if self.found is None:
            return np.unique(single)
        found = np.setdiff1d(self.found.photo_ids, self._left_out()) if self.without else self.found.photo_ids
        return np.union1d(found, single) if self.keys else found

    def parts(self) -> Iterator[list[str]]:
        """The keys, some photos' at a time, each photo in one part alone."""
        single: dict[int, list[str]] = defaultdict(list)
        for key in self.keys:
            single[photo_of(key)].append(key)
        photo_ids = self.photo_ids()
        for start in range(0, len(photo_ids), PART):
            some = photo_ids[start : start + PART].tolist()
            held = self.found.keys_of(self.store, some) if self.found else []
            keys = [key for key in held if key not in self.without]
            yield [*keys, *(key for id in some for key in single.get(id, ()))]

    def _left_out(self) -> np.ndarray:
        """The photos of which nothing that was found is left."""
        assert self.found is not None
        touched = sorted({photo_of(key) for key in self.without})
        kept = {photo_of(key) for key in self.found.keys_of(self.store, touched) if key not in self.without}
        return np.array([id for id in touched if id not in kept], dtype=np.int64)


@dataclass
class SelectionState:
    """What a person has chosen in this session, by view.

    Keys name photos ("12") and annotated boxes ("12:uid"); predicted boxes ("12#3") have no uid.
    """

    keys: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    found: dict[str, QuerySelection] = field(default_factory=dict)
    without: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    actions: int = 0
    """How often something was done: the next form is another one, and closed."""

    def of(self, view: str) -> list[str]:
        """The keys of a view that were chosen one by one, in the order of choosing."""
        return list(self.keys[view])

    def selection(self, store: Store, view: str) -> Selection:
        """All that is chosen in a view."""
        return Selection(store, tuple(self.of(view)), self.found.get(view), frozenset(self.without[view]))

    def among(self, store: Store, view: str, keys: Sequence[str]) -> list[str]:
        """Which of these keys are chosen."""
        found = self.found.get(view)
        ids = [photo_of(key) for key in keys]
        held = set(found.keys_of(store, ids)) - self.without[view] if found else set()
        return [key for key in keys if key in self.keys[view] or key in held]

    def choose(self, view: str, keys: Sequence[str], on: bool) -> None:
        """Choose some more, or fewer: keys that are not, or that are, chosen."""
        mine, without = self.keys[view], self.without[view]
        for key in keys:
            if on and key in without:
                without.discard(key)
            elif on:
                mine[key] = None
            elif key in mine:
                del mine[key]
            elif view in self.found:
                without.add(key)

    def choose_found(self, view: str, found: QuerySelection) -> None:
        """Choose what a query found, and nothing else."""
        self.clear(view)
        self.found[view] = found

    def clear(self, view: str) -> None:
        """Choose none."""
        self.keys[view].clear()
        self.without[view].clear()
        self.found.pop(view, None)


def selection_state() -> SelectionState:
    """This session's."""
    if KEY not in st.session_state:
        st.session_state[KEY] = SelectionState()
    found: SelectionState = st.session_state[KEY]
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
