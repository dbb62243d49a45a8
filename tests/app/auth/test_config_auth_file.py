"""The sign-in's file: found, checked, and what is wrong with it said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import __main__ as launcher
from app.auth.config import VARIABLE, find_auth_file
from core.errors import AccessError
from tests.oidc import COOKIE_SECRET

GOOD = {
    "redirect_uri": "https://lapel.example.com/oauth2callback",
    "cookie_secret": COOKIE_SECRET,
    "client_id": "lapel",
    "client_secret": "secret",
    "server_metadata_url": "https://id.example.com/.well-known/openid-configuration",
}


def written(path: Path, **changes: object) -> Path:
    rows = [f"{key} = {value!r}" for key, value in (GOOD | changes).items() if value is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[auth]\n" + "\n".join(rows).replace("'", '"'))
    return path


@pytest.fixture(autouse=True)
def no_other_file(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def test_without_a_file_there_is_no_sign_in(tmp_path):
    assert find_auth_file(tmp_path, 8501) is None
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit" / "secrets.toml").write_text("[other]\nkey = 1\n")
    assert find_auth_file(tmp_path, 8501) is None


def test_the_variable_names_it_and_streamlits_own_place_is_looked_at(tmp_path, monkeypatch):
    own = written(tmp_path / "root" / ".streamlit" / "secrets.toml")
    found = find_auth_file(tmp_path / "root", 8501)
    assert found is not None and found.path == own
    assert (found.origin, found.host) == ("https://lapel.example.com", "lapel.example.com")
    assert found.hosts == ["lapel.example.com", "localhost", "127.0.0.1", "::1"]
    monkeypatch.setenv(VARIABLE, str(written(tmp_path / "other.toml")))
    found = find_auth_file(tmp_path / "root", 8501)
    assert found is not None and found.path == tmp_path / "other.toml"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cookie_secret": "short"}, "32 random characters or more, got 5"),
        ({"cookie_secret": None}, "Expected cookie_secret"),
        ({"client_secret": "  "}, "Expected client_secret"),
        ({"client_id": 3}, "Expected client_id"),
        ({"redirect_uri": "https://lapel.example.com/"}, "/oauth2callback, got https://lapel.example.com/"),
        ({"redirect_uri": "https://x.org/sub/oauth2callback"}, "/oauth2callback, got"),
        ({"redirect_uri": "lapel.example.com/oauth2callback"}, "begin with https://"),
        ({"redirect_uri": "https://a:b@x.org/oauth2callback"}, "begin with https://"),
        ({"redirect_uri": "https://x.org:port/oauth2callback"}, "begin with https://"),
        ({"server_metadata_url": "file:///etc/passwd"}, "Expected server_metadata_url"),
    ],
)
def test_what_cannot_work_is_one_sentence(tmp_path, monkeypatch, change, said):
    monkeypatch.setenv(VARIABLE, str(written(tmp_path / "auth.toml", **change)))
    with pytest.raises(AccessError) as refused:
        find_auth_file(tmp_path, 8501)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"[auth", b"\xff\xfe", b"auth = 1", b""])
def test_a_file_that_says_nothing_is_refused(tmp_path, monkeypatch, content):
    path = tmp_path / "auth.toml"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(AccessError, match="auth.toml"):
        find_auth_file(tmp_path, 8501)


def test_the_port_may_stand_for_itself_and_a_clear_address_is_noticed(tmp_path, monkeypatch):
    for address, clear in (("http://localhost:{port}", False), ("http://10.0.0.2:{port}", True)):
        path = written(tmp_path / "auth.toml", redirect_uri=f"{address}/oauth2callback")
        monkeypatch.setenv(VARIABLE, str(path))
        found = find_auth_file(tmp_path, 8765)
        assert found is not None and found.origin == address.format(port=8765)
        assert found.is_in_clear is clear
    path = written(tmp_path / "auth.toml")
    found = find_auth_file(tmp_path, 8765)
    assert found is not None and not found.is_in_clear


def test_only_a_sign_in_opens_other_addresses(tmp_path, monkeypatch):
    with pytest.raises(AccessError, match="Without sign-in"):
        launcher.permitted("0.0.0.0", 8501)
    monkeypatch.setenv(VARIABLE, str(written(tmp_path / "auth.toml")))
    address, auth = launcher.permitted("0.0.0.0", 8501)
    assert address == "0.0.0.0" and auth is not None
    options = launcher.options(8501, address, auth)
    assert options["secrets.files"] == [str(tmp_path / "auth.toml")]
    assert options["server.allowedHosts"] == auth.hosts


def test_a_sign_in_that_is_not_complete_ends_the_launcher_with_status_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, str(written(tmp_path / "auth.toml", cookie_secret="short")))
    assert launcher.main(["--address", "0.0.0.0", "--data", str(tmp_path / "data")]) == 2
    said = capsys.readouterr()
    assert "cookie_secret" in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "data").exists()
