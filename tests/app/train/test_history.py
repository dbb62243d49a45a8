"""Trainings in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.train import history
from core.store.trainings import TrainingRow

ROW = TrainingRow(
    3, "train-3", "detector", "quick", 2, None, {}, "running", 25, 100, "", "Anna", 0.0, 10.0, 20.0, None
)


def test_a_running_training_says_how_far_it_is_and_how_long_it_takes():
    assert history.time_remaining(ROW, 0.5) == 150.0
    assert history.progress_text(ROW, 150.0) == "25 of 100 batches · about 2 min left"
    assert (
        history.progress_text(replace(ROW, step=0, message="*reading*"), None) == "Preparing · \\*reading\\*"
    )
    assert history.progress_text(replace(ROW, state="waiting"), None) == "Waiting for a worker"
    assert history.time_remaining(ROW, None) is None


@pytest.mark.parametrize(("kind", "mode"), list(history.DESCRIPTIONS))
def test_each_choice_is_explained_with_about_how_long_it_takes(kind, mode):
    said = history.description(kind, mode, [])
    assert "champion" in said and ("minutes" in said or "hours" in said)


def test_the_last_one_of_a_kind_and_mode_says_how_long_it_takes():
    done = replace(ROW, state="done", ended_at=210.0)
    others = [replace(done, mode="full", ended_at=9999.0), replace(done, state="failed", ended_at=11.0)]
    assert "The last one took 3 min 20 s." in history.description("detector", "quick", [*others, done])


def test_a_training_that_never_ran_took_no_time():
    assert history.seconds_of(replace(ROW, started_at=None, ended_at=20.0)) is None
    assert history.seconds_of(ROW) is None
    assert history.title(ROW) == "No. 3: detector, quick"
