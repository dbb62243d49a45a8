"""Stored photos are found by the names of annotation files, where each fits only one."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.datasets.photo_index import ListedName
from core.store import Store
from core.store.photo_names import find_stored
from tests.core.store.import_cases import voc
from tests.core.store.test_importing import brought_in, picture, reasons
from tests.databases import on_sqlite


@pytest.mark.parametrize(
    ("listed", "stored", "found"),
    [
        (["a"], ["a.jpg"], {"a": "a.jpg"}),
        (["men/a"], ["men/a.jpg", "women/a.jpg"], {"men/a": "men/a.jpg"}),
        (["a.v2"], ["a.v2.jpg", "a.jpg"], {"a.v2": "a.v2.jpg"}),
        (["a"], ["a", "a.jpg"], {"a": "a"}),
        (["a"], ["a.jpg", "a.png"], {}),
        (["a"], ["men/a.jpg", "women/a.jpg"], {}),
        (["men/a"], ["women/a.jpg"], {}),
        (["a", "a.jpg"], ["a.jpg"], {"a.jpg": "a.jpg"}),
        (["men/a", "women/a"], ["a.jpg"], {}),
        (["a.png"], ["a.jpg"], {"a.png": "a.jpg"}),
        (["a.png"], ["a.jpg", "a.webp"], {}),
        (["a.png", "a.jpg"], ["a.webp"], {}),
        (
            ["/srv/men/a.jpg", "D:\\women\\a.jpg"],
            ["men/a.jpg", "women/a.jpg"],
            {"/srv/men/a.jpg": "men/a.jpg", "D:\\women\\a.jpg": "women/a.jpg"},
        ),
        (["a  b\u200b.jpg"], ["a b.jpg"], {"a  b\u200b.jpg": "a b.jpg"}),
        (["a.jpg", "A.jpg"], ["a.jpg", "A.jpg"], {"a.jpg": "a.jpg", "A.jpg": "A.jpg"}),
        (["images/Men/a.jpg"], ["Men/a.jpg", "men/a.jpg"], {"images/Men/a.jpg": "Men/a.jpg"}),
        (["MEN/a.jpg"], ["Men/a.jpg", "men/a.jpg"], {}),
        (["", "/", ".."], ["a.jpg", ""], {}),
        (
            ["a.jpg?w=100", "b%20c.jpg"],
            ["a.jpg", "b c.jpg"],
            {"a.jpg?w=100": "a.jpg", "b%20c.jpg": "b c.jpg"},
        ),
        (["b%20c.jpg"], ["b%20c.jpg", "b c.jpg"], {"b%20c.jpg": "b%20c.jpg"}),
        (["set/men/a.jpg", "set/a.jpg"], ["men/a.jpg", "women/a.jpg"], {"set/men/a.jpg": "men/a.jpg"}),
        (["men/a.jpg"], ["spring/men/a.jpg", "autumn/men/a.jpg"], {}),
    ],
)
def test_a_listed_name_finds_the_one_photo_that_it_fits(
    listed: list[str], stored: list[str], found: dict[str, str]
) -> None:
    names = [ListedName(name, Path("set/x.json")) for name in listed]
    ids = find_stored(names, Path("set"), [(name, id) for id, name in enumerate(stored, 1)])
    assert {n: stored[i - 1] for n, i in zip(listed, ids, strict=True) if isinstance(i, int)} == found


@on_sqlite
def test_a_voc_file_alone_finds_a_stored_photo_by_its_stem(store: Store, tmp_path: Path) -> None:
    for number, name in enumerate(("men/s-01.jpg", "s-02.jpg", "s-02.png")):
        picture(tmp_path / "photos" / name, number)
    brought_in(store, tmp_path / "photos")
    (tmp_path / "alone").mkdir()
    for stem in ("s-01", "s-02"):
        (tmp_path / "alone" / f"{stem}.xml").write_text(voc(stem))
    row = brought_in(store, tmp_path / "alone" / "s-01.xml")
    assert (row.counts["annotated"], row.counts["boxes"], reasons(store, row)) == (1, 1, {})
    row = brought_in(store, tmp_path / "alone" / "s-02.xml")
    assert (row.counts["annotated"], row.counts["refused"]) == (0, 1)
