"""A batch is labeled photo by photo beside the page: in order, with its refusals, stopped and resumed."""

from __future__ import annotations

import threading

import pytest

from app.preview.batch import Batch, BatchProgress
from app.text import time_left
from core.files import DATA_VARIABLE
from core.garments import CANDIDATE_THRESHOLD
from core.store.photo_drafts import KeptSpool
from core.store.photo_spools import Spool
from tests.fakes import FakeLabeler
from tests.pictures import jpeg, zipped
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))


class Gate(FakeLabeler):
    """A labeler that waits at every photo until it is let on."""

    def __init__(self) -> None:
        super().__init__()
        self.permits = threading.Semaphore(0)

    def label(self, photo, score_threshold=None):
        assert self.permits.acquire(timeout=PATIENCE_SECONDS)
        return super().label(photo, score_threshold)


def finished(batch: Batch) -> BatchProgress:
    progress = batch.wait(lambda now: not now.running, PATIENCE_SECONDS)
    assert not progress.running
    return progress


def test_photos_come_out_in_order_with_every_candidate():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg(3)), ("b.jpg", jpeg(1))])
    assert finished(batch).done == 2
    assert [item.spooled.name for item in batch.items] == ["a.jpg", "b.jpg"]
    assert [item.number for item in batch.items] == [0, 1]
    # 0.3 lies under the labeler's own threshold of 0.5, but not under the floor.
    assert [garment.score for garment in batch.items[0].labeled.garments] == [0.9, 0.6, 0.3]
    assert min(g.score for item in batch.items for g in item.labeled.garments) >= CANDIDATE_THRESHOLD


def test_a_broken_file_refuses_itself_only():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg()), ("broken.jpg", b"\xff\xd8nonsense"), ("b.jpg", jpeg(2))])
    progress = finished(batch)
    assert (progress.done, progress.total) == (3, 3)
    assert [item.spooled.name for item in batch.items] == ["a.jpg", "b.jpg"]
    assert [refusal.photo for refusal in batch.refusals] == ["broken.jpg"]
    assert batch.refusals[0].error.endswith(".")


def test_a_zip_counts_by_its_photos():
    gate = Gate()
    batch = Batch(gate, Spool())
    batch.add([("batch.zip", zipped({"x/a.jpg": jpeg(), "x/b.jpg": jpeg(1), "c.png": jpeg(2)}))])
    assert batch.progress().total == 3
    gate.permits.release(3)
    finished(batch)
    assert [item.spooled.name for item in batch.items] == ["x/a.jpg", "x/b.jpg", "c.png"]


def test_the_first_result_is_there_before_the_last():
    gate = Gate()
    batch = Batch(gate, Spool())
    batch.add([(f"{number}.jpg", jpeg(shade=number)) for number in range(3)])
    assert batch.progress().seconds_left is None
    gate.permits.release()
    progress = batch.wait(lambda now: now.done == 1, PATIENCE_SECONDS)
    assert (progress.done, progress.total, progress.running) == (1, 3, True)
    assert progress.seconds_left is not None and progress.seconds_left > 0
    assert progress.fraction == pytest.approx(1 / 3)
    gate.permits.release(2)
    assert finished(batch).fraction == 1


def test_a_stopped_batch_keeps_what_is_done_and_goes_on_where_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one photo in work at a time
    gate = Gate()
    batch = Batch(gate, Spool())
    batch.add([(f"{number}.jpg", jpeg(shade=number)) for number in range(4)])
    gate.permits.release()
    batch.wait(lambda now: now.done == 1, PATIENCE_SECONDS)
    batch.cancel()
    gate.permits.release(4)
    stopped = finished(batch)
    assert 1 <= stopped.done < stopped.total == 4, "those in work are finished, no more are begun"
    batch.resume()
    assert finished(batch).done == 4
    assert [item.spooled.name for item in batch.items] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_more_photos_can_follow_and_keep_names_of_their_own():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("shirt.jpg", jpeg(1))])
    finished(batch)
    batch.add([("Shirt.jpg", jpeg(2)), ("shirt.jpg", jpeg(3))])
    assert finished(batch).done == 3
    names = [item.labeled.photo for item in batch.items]
    assert names[0] == "shirt.jpg"
    assert len({name.casefold() for name in names}) == 3
    assert [item.labeled.photo for item in batch.items] == [item.spooled.name for item in batch.items]


def test_nothing_to_do_is_done_at_once():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([])
    progress = finished(batch)
    assert (progress.done, progress.total, progress.fraction) == (0, 0, 0.0)


def test_a_labeler_that_fails_refuses_the_photo_with_a_sentence_and_the_rest_goes_on():
    class Fails(FakeLabeler):
        def label(self, photo, score_threshold=None):
            if photo.name == "bad.jpg":
                raise RuntimeError("shape mismatch in layer 7")
            return super().label(photo, score_threshold)

    batch = Batch(Fails(), Spool())
    batch.add([("bad.jpg", jpeg()), ("good.jpg", jpeg(1))])
    finished(batch)
    assert [item.spooled.name for item in batch.items] == ["good.jpg"]
    assert "could not be labeled" in batch.refusals[0].error
    assert "layer" not in batch.refusals[0].error


def test_a_full_disk_is_said_and_takes_nothing_with_it(monkeypatch):
    batch = Batch(FakeLabeler(), Spool())
    add = batch.spool.add

    def full_once(photo, number):
        if photo.name == "big.jpg":
            raise OSError(28, "No space left on device")
        return add(photo, number)

    monkeypatch.setattr(batch.spool, "add", full_once)
    batch.add([("big.jpg", jpeg()), ("small.jpg", jpeg(1))])
    finished(batch)
    assert [item.spooled.name for item in batch.items] == ["small.jpg"]
    assert "disk is full" in batch.refusals[0].error


def test_a_batch_goes_on_where_a_stopped_server_left_it(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # one photo in work at a time
    gate, kept = Gate(), KeptSpool("somebody")
    batch = Batch(gate, kept)
    photos = {f"x/{number}.jpg": jpeg(shade=number) for number in range(4)}
    batch.add([("broken.jpg", b"<script>"), ("some.zip", zipped(photos)), ("last.jpg", jpeg(shade=9))])
    gate.permits.release(2)
    batch.wait(lambda now: now.done == 3, PATIENCE_SECONDS)
    batch.cancel()
    gate.permits.release(1)  # for the one in work
    done = finished(batch).done
    kept.release()

    again = KeptSpool("somebody")
    restored = Batch(None, again, again.draft())
    stopped = restored.progress()
    assert (stopped.done, stopped.total, stopped.running) == (done, 6, False)
    restored.use(FakeLabeler())
    restored.resume()
    assert finished(restored).done == 6
    names = [item.spooled.name for item in restored.items]
    assert names == [*photos, "last.jpg"], "each once, in order"
    assert len({item.number for item in restored.items}) == 5
    assert [refusal.photo for refusal in restored.refusals] == ["broken.jpg"]
    assert not list(again.folder.glob("incoming*"))
    again.release()


def test_what_there_is_no_room_for_is_refused_and_the_rest_goes_on():
    kept = KeptSpool("somebody", most_bytes=60_000)
    batch = Batch(FakeLabeler(), kept)
    batch.add([("a.jpg", jpeg()), ("large.zip", bytes(70_000)), ("b.jpg", jpeg(2))])
    finished(batch)
    assert [item.spooled.name for item in batch.items] == ["a.jpg", "b.jpg"]
    assert "There is no room" in batch.refusals[0].error
    kept.release()


def test_files_that_waited_are_removed_once_they_are_read():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg()), ("b.jpg", jpeg(1))])
    finished(batch)
    assert sorted(path.name for path in batch.spool.folder.iterdir()) == [
        "000000.jpg", "000000.small.jpg", "000000.view.jpg",
        "000001.jpg", "000001.small.jpg", "000001.view.jpg",
    ]  # fmt: skip


def test_closing_removes_the_photos():
    batch = Batch(FakeLabeler(), Spool())
    batch.add([("a.jpg", jpeg())])
    finished(batch)
    batch.close()
    assert not batch.spool.folder.exists()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "estimating the time left"),
        (0.4, "about a second left"),
        (7.6, "about 8 s left"),
        (43, "about 45 s left"),
        (150, "about 2 min left"),
        (600, "about 10 min left"),
    ],
)
def test_the_time_left_is_told_in_round_words(seconds, words):
    assert time_left(seconds) == words
