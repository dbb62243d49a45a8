"""How often harm is done comes from the environment, or is little."""

from __future__ import annotations

import pytest

from tests.faults.counts import VARIABLE, timeout_seconds, times


def test_harm_is_done_a_few_times_or_as_often_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (times(3), timeout_seconds()) == (3, 300)
    monkeypatch.setenv(VARIABLE, "100")
    assert (times(3), timeout_seconds()) == (100, 6300)


@pytest.mark.parametrize("said", ["0", "-1", "often"])
def test_what_is_no_number_of_times_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(ValueError, match="above 0"):
        times(3)
