"""Without sign-in the workspace can be reached from this machine only."""

from __future__ import annotations

import pytest

from app.auth.config import is_loopback, require_loopback
from core.errors import AccessError


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_this_machine_is_let_in(address):
    assert is_loopback(address)
    assert require_loopback(address) == address


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "192.168.1.7", "example.org", "localhost.example.org", "", None]
)
def test_every_other_address_is_refused_with_a_sentence(address):
    assert not is_loopback(address)
    with pytest.raises(AccessError, match="expected 127.0.0.1, ::1 or localhost"):
        require_loopback(address)


def test_the_sentence_names_what_came():
    with pytest.raises(AccessError, match="got 10.0.0.3"):
        require_loopback("10.0.0.3")
    with pytest.raises(AccessError, match="got every address"):
        require_loopback(None)
