"""The launcher: options, refusals, and a workspace that answers with its settings in force."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest

from app import __main__ as launcher
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


def test_tables_become_dotted_options():
    assert launcher.dotted({"a": 1, "b": {"c": [2], "d": {"e": "f"}}}) == {"a": 1, "b.c": [2], "b.d.e": "f"}


def test_the_commands_port_and_address_win_over_the_files():
    options = launcher.options(8765, "::1")
    assert (options["server.port"], options["server.address"]) == (8765, "::1")
    assert options["browser.gatherUsageStats"] is False
    assert options["theme.dark.primaryColor"].startswith("#")


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.0.2", "example.org"])
def test_an_address_beyond_this_machine_is_refused_with_a_sentence_and_status_2(address, capsys, tmp_path):
    data = tmp_path / "data"
    assert launcher.main(["--address", address, "--data", str(data)]) == 2
    said = capsys.readouterr()
    assert f"got {address}" in said.err and said.err.count("\n") == 1
    assert said.out == ""
    assert not data.exists()


def test_a_data_folder_that_cannot_be_made_is_refused_with_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LAPEL_DATA", "")
    (tmp_path / "file").write_text("x")
    assert launcher.main(["--data", str(tmp_path / "file" / "data")]) == 2
    assert "Expected a folder to write to" in capsys.readouterr().err


def test_the_settings_are_in_force_for_the_bare_command_too():
    link = ROOT / ".streamlit" / "config.toml"
    assert link.is_symlink() and link.resolve() == ROOT / "streamlit_config.toml"
    wanted = launcher.dotted(tomllib.loads((ROOT / "streamlit_config.toml").read_text()))
    code = (
        "import json, sys; from streamlit import config\n"
        "print(json.dumps({name: config.get_option(name) for name in sys.argv[1:]}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, *wanted], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(shown) == wanted
    assert wanted["server.address"] == "127.0.0.1"


def test_no_run_of_a_page_ends_with_a_full_garbage_collection():
    assert launcher.options(8501, "127.0.0.1")["runner.postScriptGC"] is False


def test_the_workspace_answers_in_time_with_its_headers_and_its_data_folder(tmp_path):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "app",
        "--port",
        str(port),
        "--no-browser",
        "--data",
        str(tmp_path / "data"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            with answer_of(f"http://127.0.0.1:{port}/_stcore/health", PATIENCE_SECONDS) as health:
                assert health.read() == b"ok"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as ready:
                assert (ready.status, ready.read()) == (200, b"ok\n")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
                assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
                assert page.headers["X-Frame-Options"] == "DENY"
            assert (tmp_path / "data").is_dir()
        finally:
            server.terminate()


def answer_of(url: str, seconds: float):
    """The first answer to come within the time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=5)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
