"""Names in exports: folders are kept, every path fits any file system, and no two meet."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

import numpy as np
import pytest

from core.file_names import MAX_PORTABLE_PATH_BYTES, WINDOWS_DEVICES, path_key, portable_path
from core.store.export_photos import ExportNames
from core.store.revisions import RevisionPhoto

E_ACUTE = "\N{LATIN SMALL LETTER E WITH ACUTE}"
PARTS = (
    *("men", "Men", "MEN", "women", "a", "A", "a.jpg", "a.txt", "a.xml", "con", "AUX", "com1.x", "nul"),
    *(f"caf{E_ACUTE}", unicodedata.normalize("NFD", f"caf{E_ACUTE}"), "stra\N{LATIN SMALL LETTER SHARP S}e"),
    *("STRASSE", "x" * 200, "..", ".", " ", "-rf", "a:b", "a?b", "a|b", "\u202eevil", "喪服", "tail. ", "C:"),
)


def named(*names: str) -> list[RevisionPhoto]:
    return [RevisionPhoto(id, name, "0" * 64, False, False) for id, name in enumerate(names, start=1)]


def file_names(photos: list[RevisionPhoto], *, pictures: bool, by_stem: bool = False) -> list[str]:
    names = ExportNames.of(photos, pictures=pictures, by_stem=by_stem)
    return [names.of_photo(photo.id, photo.name)[1] for photo in photos]


def drawn_names(seed: int, count: int = 300) -> list[str]:
    """Names of odd parts, one to four deep, many of them alike."""
    random = np.random.default_rng(seed)
    depths = random.integers(1, 5, count)
    endings = random.choice([".jpg", ".JPG", ".png", "", ".txt"], count)
    return ["/".join(random.choice(PARTS, depth)) + end for depth, end in zip(depths, endings, strict=True)]


@pytest.mark.parametrize("by_stem", [False, True])
def test_folders_are_kept_with_pictures_and_without(by_stem):
    photos = named("a/001.jpg", "b/001.jpg", "b/001.png", "c/deep/002.PNG")
    with_pictures = ["a/001.jpg", "b/001.jpg", "b/001_3.jpg", "c/deep/002.jpg"]
    assert file_names(photos, pictures=True, by_stem=by_stem) == with_pictures
    third = "b/001_3.png" if by_stem else "b/001.png"
    without = ["a/001.jpg", "b/001.jpg", third, "c/deep/002.PNG"]
    assert file_names(photos, pictures=False, by_stem=by_stem) == without


def test_case_and_composed_accents_do_not_tell_names_apart():
    composed = f"{E_ACUTE}.jpg"
    photos = named("Men/1.jpg", "men/1.JPG", composed, unicodedata.normalize("NFD", composed))
    assert file_names(photos, pictures=True) == ["Men/1.jpg", "men/1_2.jpg", composed, f"{E_ACUTE}_4.jpg"]


def test_names_stay_as_they_came_where_they_are_safe_and_differ():
    names = ["Coat.jpg", "coat.JPG", unicodedata.normalize("NFD", f"{E_ACUTE}.jpg"), "con.png", "a?b.jpg"]
    assert file_names(named(*names), pictures=False) == names
    unsafe = named("coat.jpg", "coat.jpg", "../coat.jpg", "/etc/x.png", "coat_2.jpg")
    found = file_names(unsafe, pictures=False)
    assert found[0] == "coat.jpg"
    assert len(set(found)) == 5 and not any(name.startswith(("/", "..")) for name in found)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("pictures", [False, True])
def test_odd_names_never_meet_and_fit_any_file_system(seed, pictures):
    photos = named(*drawn_names(seed))
    files = file_names(photos, pictures=pictures, by_stem=True)
    assert len({path_key(str(PurePosixPath(name).with_suffix(""))) for name in files}) == len(files)
    files = set(map(path_key, files))
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    for ending in (".jpg", ".txt", ".xml"):
        stems = {str(PurePosixPath(name).with_suffix("")) for name in files}
        assert not folders & {f"{stem}{ending}" for stem in stems}
    for name in files:
        assert not PurePosixPath(name).is_absolute()
        for part in name.split("/"):
            assert part not in ("", ".", "..") and len(part.encode()) <= 255
            assert not set('<>:"|?*\\') & set(part) and not part.endswith((" ", "."))
            assert not WINDOWS_DEVICES.match(part.split(".")[0])


def test_long_paths_lose_their_outer_folders():
    path = portable_path("/".join(["x" * 90] * 4) + "/shirt.jpg")
    assert len(path.encode()) <= MAX_PORTABLE_PATH_BYTES and path.endswith("x/shirt")
