"""Sign-in settings: a TOML file with a table [auth], checked before anything is served.

Without them the workspace is served on a loopback address only.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


VARIABLE = "LAPEL_AUTH_FILE"
CALLBACK = "/oauth2callback"
MIN_SECRET_CHARACTERS = 32
KEYS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class AuthFile:
    """A sign-in that is complete: its file, and the workspace's own address as its people know it."""

    path: Path
    origin: str

    @property
    def host(self) -> str:
        """The name that browsers ask for."""
        return urlsplit(self.origin).hostname or ""

    @property
    def hosts(self) -> list[str]:
        """All names that the workspace answers to: its own, and this machine's."""
        return list(dict.fromkeys((self.host, *LOOPBACK_HOSTS)))

    @property
    def is_in_clear(self) -> bool:
        """Whether names and cookies would travel readable for others: no TLS, and beyond this machine."""
        return self.origin.startswith("http://") and not is_loopback(self.host)


def find_auth_file(root: Path, port: int) -> AuthFile | None:
    """The sign-in's file: ``LAPEL_AUTH_FILE``, else the first .streamlit/secrets.toml with a table [auth].

    None where there is neither. ``{port}`` in the address stands for the workspace's port. Raises AccessError
    with one sentence where the file or its table is not as expected.
    """
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named).expanduser().absolute()
        return checked(path, _table(path) or {}, port)
    for folder in dict.fromkeys((Path.cwd(), root, Path.home())):
        path = folder / ".streamlit" / "secrets.toml"
        if path.is_file() and (table := _table(path)) is not None:
            return checked(path, table, port)
    return None


def checked(path: Path, table: Mapping[str, Any], port: int) -> AuthFile:
    """The sign-in of this table; AccessError names the first thing that is missing or cannot be."""
    missing = [key for key in KEYS if not (isinstance(table.get(key), str) and table[key].strip())]
    if missing:
        raise AccessError(f"Expected {', '.join(missing)} in the table [auth] of {path}, got nothing there.")
    redirect = str(table["redirect_uri"]).replace("{port}", str(port))
    parts = _address(path, "redirect_uri", redirect)
    if parts.path != CALLBACK or parts.query or parts.fragment:
        raise AccessError(
            f"Expected redirect_uri in {path} to be the workspace's address and {CALLBACK}, got {redirect}."
        )
    if len(table["cookie_secret"]) < MIN_SECRET_CHARACTERS:
        raise AccessError(
            f"Expected cookie_secret in {path} to be {MIN_SECRET_CHARACTERS} random characters or more, "
            f"got {len(table['cookie_secret'])}."
        )
    _address(path, "server_metadata_url", table["server_metadata_url"])
    return AuthFile(path, f"{parts.scheme}://{parts.netloc}")


def _address(path: Path, key: str, url: str) -> Any:
    """A web address in its parts."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.username is not None:
        raise AccessError(f"Expected {key} in {path} to begin with https:// and a host, got {url}.")
    return parts


def _table(path: Path) -> Mapping[str, Any] | None:
    """The table [auth] of a file, None without one."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("auth")
    except OSError as error:
        raise AccessError(f"Expected the sign-in's settings in {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AccessError(f"Expected TOML in {path}: {error}.") from error
    if found is not None and not isinstance(found, dict):
        raise AccessError(f"Expected a table [auth] in {path}, got a value.")
    return found
