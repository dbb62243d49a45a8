"""A kept draft comes back whole after its process ended; what is damaged costs itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.corrections import Edit
from core.errors import StoreError, StoreFullError
from core.files import DATA_VARIABLE
from core.garments import Garment, LabeledPhoto, Refusal
from core.images.decode import read_photo
from core.store import photo_drafts
from core.store.photo_drafts import KEPT_DAYS, KeptSpool, drafts_folder, step_entry, sweep_drafts
from core.store.photo_spools import Item, Origin
from tests.pictures import jpeg

TOP = Garment(
    (1.25, 2, 30, 40),
    "top",
    0.9,
    (("T-Shirt", 0.6), ("Shirt", 0.2)),
    None,
    False,
    ("top", 0.8),
    ("Shirt", 0.5),
)
DRAWN = Garment((5, 5, 9, 9), "bag", 1.0, (), "Tote", True)
ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return tmp_path


def labeled_photo(name: str) -> LabeledPhoto:
    return LabeledPhoto(name, 60, 90, 0.5, {"detector": "d"}, (TOP,))


def filled(photos: int = 2) -> KeptSpool:
    kept = KeptSpool("somebody")
    for number in range(photos):
        name = f"men/{number}.jpg"
        spooled = kept.add(read_photo(jpeg(shade=number), name), number)
        kept.record(number, Item(number, spooled, labeled_photo(name)), Origin(0, number))
    kept.record(photos, Refusal("broken.jpg", "The photo is damaged."), Origin(1, 0))
    return kept


def reopened(kept: KeptSpool) -> KeptSpool:
    kept.release()
    return KeptSpool("somebody")


def test_photos_refusals_waiting_files_and_settings_come_back() -> None:
    kept = filled()
    kept.add_upload(2, "more.zip", b"zip")
    kept.save_settings({"names": {"top": "Oberteil"}})
    again = reopened(kept)
    draft = again.draft()
    names = ["men/0.jpg", "men/1.jpg"]
    assert [item.spooled.name for item in draft.items] == names
    assert [item.labeled for item in draft.items] == [labeled_photo(name) for name in names]
    assert draft.items[0].spooled.photo().name == "men/0.jpg"
    assert draft.refusals == [Refusal("broken.jpg", "The photo is damaged.")]
    assert [(entry.name, entry.path.read_bytes()) for entry in draft.waiting] == [("more.zip", b"zip")]
    assert (draft.next_number, draft.next_source) == (3, 3)
    assert again.settings() == {"names": {"top": "Oberteil"}}
    assert again.used_bytes == sum(path.stat().st_size for path in again.folder.iterdir())


def test_corrections_come_back_with_undo_and_redo() -> None:
    kept = filled()
    dress = TOP.correct(category="dress", label="Maxi")
    kept.log(step_entry((Edit(0, 0, TOP, dress), Edit(1, 0, TOP, None))))
    kept.log(step_entry((Edit(0, 1, None, DRAWN, "uid1"),), sequence=77))
    kept.log(step_entry((Edit(0, 0, dress, None),)))
    kept.log({"undo": True})
    corrections, sequences = reopened(kept).corrections()
    assert corrections.changed == {0: {0: dress, 1: DRAWN}, 1: {0: None}}
    assert (len(corrections.done), len(corrections.undone)) == (2, 1)
    assert corrections.drawn == {0: {"uid1": 1}}
    assert sequences[0] == 77
    corrections.undo()
    corrections.undo()
    assert corrections.of(1) == {0: TOP}, "a step of several is undone at once"


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"origin": [0]}', b"\xff\xfe", b"null"])
def test_whatever_is_damaged_costs_itself_alone(damage: bytes) -> None:
    kept = filled()
    kept.log(step_entry((Edit(1, 0, TOP, None),)))
    with (kept.folder / "edits.jsonl").open("ab") as file:
        file.write(damage + b"\n")
    kept.log(step_entry((Edit(1, 0, None, DRAWN),)))
    for name in ("000000.json", "settings.json", "incoming-000009.json"):
        (kept.folder / name).write_bytes(damage)
    again = reopened(kept)
    draft = again.draft()
    assert [item.number for item in draft.items] == [1]
    assert sorted(refusal.photo for refusal in draft.refusals) == ["000000", "broken.jpg"]
    assert draft.waiting == []
    assert again.corrections()[0].changed == {1: {0: DRAWN}}
    assert "names" not in again.settings()


def test_a_photo_whose_file_is_lost_is_refused_with_a_sentence() -> None:
    kept = filled()
    (kept.folder / "000001.jpg").unlink()
    (kept.folder / "000000.view.jpg").unlink()
    draft = reopened(kept).draft()
    assert [item.number for item in draft.items] == [0]
    assert draft.items[0].spooled.view() == draft.items[0].spooled.thumbnail
    assert "drop it again" in draft.refusals[0].error


def test_more_than_there_is_room_for_is_refused_and_nothing_written() -> None:
    kept = KeptSpool("somebody", most_bytes=1_000)
    with pytest.raises(StoreFullError, match="There is no room.*clear them"):
        kept.add_upload(0, "a.zip", bytes(1_001))
    kept.add_upload(0, "a.zip", bytes(900))
    with pytest.raises(StoreFullError):
        kept.add(read_photo(jpeg(), "a.jpg"), 0)
    assert kept.used_bytes < 1_000


def test_one_process_at_a_time_has_a_draft() -> None:
    kept = filled()
    code = "from core.store.photo_drafts import KeptSpool; KeptSpool('somebody')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert f"{StoreError.__name__}: Another server" in ran.stderr
    kept.release()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert len(KeptSpool("somebody").draft().items) == 2


def test_clearing_leaves_settings_alone_and_forgetting_nothing(data: Path) -> None:
    kept = filled()
    kept.log(step_entry((Edit(1, 0, TOP, None),)))
    kept.save_settings({"names": {}})
    kept.close()
    assert {path.name for path in kept.folder.iterdir()} == {".lock", "settings.json"}
    assert kept.draft().items == []
    kept.forget()
    assert list(drafts_folder().iterdir()) == []


def test_a_draft_is_swept_when_nobody_looked_at_it_for_so_long() -> None:
    kept = filled()
    kept.release()
    days = 24 * 3600
    now = photo_drafts.time.time()
    os.utime(kept.folder, (now - (KEPT_DAYS - 1) * days,) * 2)
    assert sweep_drafts() == 0
    os.utime(kept.folder, (now - (KEPT_DAYS + 1) * days,) * 2)
    assert len(KeptSpool("somebody").draft().items) == 2  # looked at
    assert sweep_drafts() == 0
    os.utime(kept.folder, (now - (KEPT_DAYS + 1) * days,) * 2)
    assert sweep_drafts() == 1
    assert not kept.folder.exists()


def test_the_folder_says_neither_who_nor_what(data: Path) -> None:
    kept = KeptSpool("person https://id.example anna@example.org")
    kept.add_upload(0, "anna.zip", b"x")
    assert "anna" not in kept.folder.name
    assert json.loads((kept.folder / "incoming-000000.json").read_bytes())["name"] == "anna.zip"
    assert kept.folder.stat().st_mode & 0o077 == 0
