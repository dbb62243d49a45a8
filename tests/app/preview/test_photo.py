"""Correcting a garment by the lists beside its photo."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from app.preview import photo


@pytest.mark.parametrize(("value", "corrections"), [("dress", [{"category": "dress"}]), ("top", [])])
def test_only_another_choice_than_was_shown_is_a_correction(monkeypatch, value, corrections):
    monkeypatch.setattr(photo.st, "session_state", {"category-0-1": value})
    session = Mock()
    photo.chosen(session, Mock(), "category", "category-0-1", "top")
    assert [call.kwargs for call in session.correct.call_args_list] == corrections
