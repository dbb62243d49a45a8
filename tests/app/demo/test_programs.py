"""The programs that the demo shows beside its API, run as they stand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("gradio")

from app.demo.programs import address_of, commands
from tests.e2e.serving import demo

PASSWORD = "cord'uroy & tweed"
SECRET = {"LAPEL_DEMO_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from demo("tests.fakes:FakeLabeler")


@pytest.fixture(scope="module")
def closed_address() -> Iterator[str]:
    yield from demo("tests.fakes:FakeLabeler", **SECRET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the photo that the programs send: something in its first third."""
    picture = Image.new("RGB", (90, 120), "white")
    picture.paste((200, 30, 30), (20, 5, 70, 30))
    picture.save(tmp_path / "photo.jpg")
    return tmp_path


def said(program: list[str], folder: Path, **environment: str) -> str:
    ended = subprocess.run(
        program, cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.e2e
@pytest.mark.parametrize("password", [False, True], ids=["open", "password"])
def test_every_program_labels_a_photo(request: pytest.FixtureRequest, folder: Path, password: bool) -> None:
    address = request.getfixturevalue("closed_address" if password else "address")
    shown, secret = commands(address, password), SECRET if password else {}
    client = said([sys.executable, "-c", shown["client"]], folder, **secret)
    assert "\ntop 0.9 [18.0, 0.0, 72.0, 40.0]" in client and "class_activation" in client
    http = said([sys.executable, "-c", shown["http"]], folder, **secret)
    assert "'category': 'top'" in http and "'photo': 'photo.jpg'" in http
    if shutil.which("curl") and shutil.which("bash"):
        [labels] = json.loads(said(["bash", "-c", shown["curl"]], folder, **secret))
        assert [garment["category"] for garment in labels["garments"]] == ["top"]


def test_no_program_holds_the_password_or_asks_an_open_demo_for_one() -> None:
    assert "LAPEL_DEMO_PASSWORD" not in "".join(commands("http://a", False).values())
    assert all("LAPEL_DEMO_PASSWORD" in program for program in commands("http://a", True).values())


def test_the_address_is_the_visitors_unless_it_is_more_than_one() -> None:
    known = "http://127.0.0.1:7860"
    for origin in ("https://lapel.example", "http://10.0.0.3:7860", "http://[::1]:7860"):
        assert address_of(origin, known) == origin
    for odd in (None, "", "null", "http://a/$(id)", 'http://a"; id', "http://a b", "file:///etc"):
        assert address_of(odd, known) == known
