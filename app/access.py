"""Who may reach the workspace: without sign-in, only this machine."""

from __future__ import annotations

import ipaddress

from core.errors import AccessError


def is_loopback(address: str | None) -> bool:
    """Whether a server bound to this address can be reached from this machine only.

    ``None`` and an empty address mean every interface; a name other than ``localhost`` may resolve to
    anything.
    """
    if not address:
        return False
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def require_loopback(address: str | None) -> str:
    """The address, once it is known to be this machine's own.

    Raises:
        AccessError: for an address that others can reach, as long as there is no sign-in.
    """
    if address is None or not is_loopback(address):
        raise AccessError(
            "Without sign-in the workspace opens on this machine only: "
            f"expected 127.0.0.1, ::1 or localhost as the address, got {address or 'every address'}."
        )
    return address
