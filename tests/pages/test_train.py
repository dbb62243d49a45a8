"""The page Train: a training begun, watched, stopped and gone on with; what to do where nothing is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from app.train.start import asked_anchors
from core.images.decode import read_photo
from core.jobs import client
from core.store import Store
from core.store.boxes import AnnotatedBox
from tests.pages.workspace import opened, texts
from tests.pictures import jpeg


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[Store]:
    """The store that the page opens, with an annotated photo."""
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    store = Store.open(folder=tmp_path / "data")
    photo = store.photos.add(read_photo(jpeg(2), "coat.jpg"), by="Anna").row
    assert photo is not None
    box = AnnotatedBox((5.0, 5.0, 60.0, 90.0), store.categories.all()[0].id)
    store.annotations.submit(photo.id, [box], author="Anna", base_version=0, request="first")
    yield store
    store.close()


@pytest.fixture
def page(monkeypatch, store) -> AppTest:
    return shown(opened(monkeypatch, store.folder).switch_page("../pages/train.py").run())


def shown(page: AppTest) -> AppTest:
    assert not page.exception
    return page


def training(store: Store, kind: str = "detector") -> int:
    return client.start_training(store, kind, "quick", store.revisions.create("Anna").number)


def learned(store: Store, id: int, steps: int) -> None:
    """A training that has come so far, with a curve and a log."""
    store.trainings.progress(id, steps, 100)
    for step in range(1, steps + 1):
        store.trainings.point(id, step, {"loss": 3.0 / step, "photos_a_second": 4.0})
    store.trainings.point(id, steps, {"val_map50": 0.25})
    store.trainings.log(id, "epoch 1 <b>done</b>")


def started(page: AppTest) -> AppTest:
    return shown(page.button(key="train-start").click().run())


def test_what_the_gate_needs_is_said_before_a_training(page, store):
    said = texts(page)
    assert "The promotion gate needs 20 annotated holdout photos or more, and 0 of" in said
    assert not page.button(key="train-start").disabled or "create one first" in said


def test_without_annotations_it_says_what_to_do_first(monkeypatch, tmp_path):
    for name in ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL"):
        monkeypatch.delenv(name, raising=False)
    page = opened(monkeypatch, tmp_path / "empty").switch_page("../pages/train.py").run()
    assert "Nothing is annotated yet" in texts(shown(page))
    assert not page.button and not page.error


def test_training_needs_a_revision_which_the_page_creates(page, store):
    assert page.button(key="train-start").disabled
    assert "create one first" in texts(page)
    shown(page.button(key="train-freeze").click().run())
    assert [revision.number for revision in store.revisions.all()] == [1]
    assert "Revision 1 holds 1 photo with 1 box" in page.success[0].value.replace("\\", "")
    assert not page.button(key="train-start").disabled
    shown(page.button(key="train-freeze").click().run())
    assert len(store.revisions.all()) == 1 and "Nothing has changed" in page.success[0].value


def test_what_is_chosen_is_what_is_trained(page, store):
    page.button(key="train-freeze").click().run()
    page.segmented_control(key="train-kind").set_value("classifier")
    page.segmented_control(key="train-mode").set_value("full").run()
    assert "all labeled garments" in texts(page)
    started(page)
    (row,) = store.trainings.recent()
    assert (row.kind, row.mode, row.revision, row.state) == ("classifier", "full", 1, "waiting")
    assert [job.kind for job in store.jobs.running()] == ["train"]
    assert str(row.id) in page.query_params["training"] and "Waiting for a worker" in bars(page)


def test_a_second_press_shows_the_one_that_runs(page, store):
    first = training(store)
    other = training(store, "classifier")
    shown(page.run())
    page.selectbox(key="training").set_value(other).run()
    assert page.button(key="train-start").label == "Show the running training"
    started(page)
    assert len(store.trainings.recent()) == 2 and page.session_state["training"] == first


def test_a_running_training_is_watched(page, store):
    id = training(store)
    learned(store, id, 20)
    shown(page.run())
    assert "20 of 100 batches" in bars(page)
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Validation mAP50"] == "25.0 %" and figures["Photos a second"] == "4.0"
    assert len(page.get("plotly_chart")) == 2
    assert "epoch 1 <b>done</b>" in "\n".join(text.value for text in page.text)
    learned(store, id, 40)
    assert "40 of 100 batches" in bars(shown(page.run()))


def test_a_page_opened_again_shows_the_same(monkeypatch, page, store):
    id = training(store)
    learned(store, id, 20)
    again = opened(monkeypatch, store.folder).switch_page("../pages/train.py").run()
    assert "20 of 100 batches" in bars(shown(again))
    other = training(store, "classifier")
    again = opened(monkeypatch, store.folder).switch_page("../pages/train.py")
    again.query_params["training"] = str(other)
    assert "Waiting for a worker" in bars(shown(again.run()))


def test_a_training_that_nobody_takes_says_so(monkeypatch, page, store):
    id = training(store)
    assert "No worker has taken it yet" not in texts(shown(page.run()))
    monkeypatch.setattr("app.train.history.WAITING_SECONDS", -1.0)
    assert "No worker has taken it yet" in texts(shown(page.run()))
    store.trainings.progress(training(store, "classifier"), 1, 10)
    page.selectbox(key="training").set_value(id)
    assert "another one is being trained" in texts(shown(page.run()))


def test_a_training_is_cancelled_and_gone_on_with(page, store):
    id = training(store)
    shown(page.run())
    shown(page.button(key=f"training-cancel-{id}").click().run())
    assert store.trainings.get(id).state == "cancelled" and not store.jobs.running()
    assert "It was cancelled" in texts(page)
    shown(page.button(key=f"training-again-{id}").click().run())
    assert store.trainings.get(id).state == "waiting" and len(store.jobs.running()) == 1


def test_going_on_while_another_runs_is_one_sentence(page, store):
    first = training(store)
    store.trainings.finish(first, "failed", "The disk is full.")
    training(store)
    shown(page.run())
    page.selectbox(key="training").set_value(first).run()
    assert "The disk is full" in texts(page).replace("\\", "")
    shown(page.button(key=f"training-again-{first}").click().run())
    assert "Another detector is being trained already" in texts(page).replace("\\", "")


def test_the_trainings_that_were_are_listed(page, store):
    id = training(store)
    learned(store, id, 3)
    store.trainings.finish(id, "done")
    shown(page.run())
    (table,) = [found.value for found in page.dataframe]
    (row,) = table.to_dict("records")
    assert (row["Model"], row["State"], row["By"], row["Revision"]) == ("Detector, quick", "done", "local", 1)
    assert row["Took"].endswith(" s")


def bars(page: AppTest) -> str:
    return "\n".join(str(bar.proto.text) for bar in page.get("progress")).replace("\\", "")


def test_a_champion_that_is_not_fine_tuned_is_said_before_anything_is_begun(page, store, monkeypatch):
    store.revisions.create("Anna")
    sentence = "The detector that serves is a ssd, which is not fine-tuned on revisions."
    monkeypatch.setattr(client, "champions_refusal", lambda _, kind: sentence if kind == "detector" else None)
    shown(page.run())
    assert page.button(key="train-start").disabled
    assert sentence in [caption.value for caption in page.caption]


def test_a_detector_goes_on_with_the_champions_anchors_unless_others_are_chosen(page, store):
    store.revisions.create("Anna")
    control = shown(page.run()).segmented_control(key="train-anchors")
    assert (control.value, control.options) == ("champion", ["The champion's", "Fitted to the revision"])
    control.set_value("own").run()
    started(page)
    assert store.trainings.recent()[0].settings == {"anchors": "own"}
    page.segmented_control(key="train-kind").set_value("classifier").run()
    assert not [control for control in page.segmented_control if control.key == "train-anchors"]


def test_the_page_anchors_link_brings_its_anchors(page, store):
    store.revisions.create("Anna")
    page.query_params["anchors"] = ",".join(f"0.{place:02d}" for place in range(1, 19))
    shown(page.run())
    assert page.segmented_control(key="train-anchors").value == "given"
    assert "1.0 × 2.0, 3.0 × 4.0" in texts(page)
    started(page)
    pairs = store.trainings.recent()[0].settings["anchors"]
    assert len(pairs) == 9 and pairs[0] == [0.01, 0.02] and pairs[-1] == [0.17, 0.18]


@pytest.mark.parametrize("text", ["", "1,2", "nan," * 17 + "1", "a" * 40, ",".join(["0"] * 18)])
def test_an_address_with_other_anchors_is_as_without(text):
    assert asked_anchors(text) is None
