"""A workspace as it is started: which websockets it takes, and which uploads."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync import client

from app.auth import upload_limit
from tests.ports import free_port, wait_until_open
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
LIMIT_MB = 1
BOUNDARY = "ends-here"
PROGRAM = """
import sys
from app import __main__ as launcher
from app.worker_process import WORKERS, WorkerProcess
idle = (sys.executable, "-c", "import sys; sys.stdin.read()")
WORKERS.build = lambda project: WorkerProcess(idle)
launcher.main(["--port", sys.argv[1], "--data", sys.argv[2], "--no-browser"])
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory) -> Iterator[int]:
    port, data = free_port(), tmp_path_factory.mktemp("data")
    command = [sys.executable, "-c", PROGRAM, str(port), str(data)]
    hidden = ("LAPEL_DATABASE_URL", "LAPEL_BLOBS_URL", "LAPEL_AUTH_FILE")
    settings = {name: value for name, value in os.environ.items() if name not in hidden}
    settings[upload_limit.VARIABLE] = str(LIMIT_MB)
    with (
        (data / "log.txt").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=settings, stdout=log, stderr=log) as server,
    ):
        wait_until_open(port, server, PATIENCE_SECONDS)
        try:
            yield port
        finally:
            server.terminate()


@dataclass
class Visit:
    """A websocket of the page Anchors, which has an uploader."""

    port: int
    socket: client.ClientConnection

    def ask(self, names: list[str]) -> list[Any]:
        """The addresses that the server gives for files of these names."""
        self.socket.send(
            BackMsg(file_urls_request={"request_id": "r", "file_names": names}).SerializeToString()
        )
        answer = self.answer(lambda message: message.WhichOneof("type") == "file_urls_response")
        return list(answer.file_urls_response.file_urls)

    def answer(self, is_it) -> ForwardMsg:
        while True:
            message = ForwardMsg()
            message.ParseFromString(self.socket.recv(timeout=PATIENCE_SECONDS))
            if is_it(message):
                return message

    def put(self, address: str, data: bytes) -> int:
        """The status of an upload."""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="f.json"\r\n\r\n'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{address}",
            data=head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode(),
            method="PUT",
            headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | self.xsrf(),
        )
        return status_of(request)

    def xsrf(self) -> dict[str, str]:
        """Streamlit's token in header and cookie, as its page sends it."""
        answer = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_stcore/health")
        cookie = next(text for name, text in answer.getheaders() if name.lower() == "set-cookie").split(";")[
            0
        ]
        return {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]}


connect = partial(client.connect, open_timeout=PATIENCE_SECONDS, max_size=None)
"""A websocket; the first one waits for a busy server."""


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.fixture
def visit(port) -> Iterator[Visit]:
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(address, origin=f"http://127.0.0.1:{port}", subprotocols=["streamlit"]) as socket:
        visit = Visit(port, socket)
        socket.send(BackMsg(rerun_script={"page_name": "anchors"}).SerializeToString())
        visit.answer(lambda message: message.WhichOneof("type") == "script_finished")
        yield visit


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://localhost:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}@evil.example",
        "ftp://127.0.0.1:{port}",
        "null",
        "",
    ],
)
def test_a_page_of_another_origin_gets_no_websocket(port, origin):
    with pytest.raises(InvalidStatus) as refused:
        connect(
            f"ws://127.0.0.1:{port}/_stcore/stream", additional_headers={"Origin": origin.format(port=port)}
        )
    assert refused.value.response.status_code == 403


def test_a_forwarded_host_opens_nothing(port):
    forged = {
        "Origin": "http://evil.example",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
    }
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{port}/_stcore/stream", additional_headers=forged)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_workspaces_own_page_gets_one(port, name):
    with connect(f"ws://{name}:{port}/_stcore/stream", origin=f"http://{name}:{port}"):
        pass


def test_a_file_that_the_page_asked_for_is_taken_and_an_invented_one_is_not(visit):
    [given] = visit.ask(["boxes.json"])
    assert visit.put(given.upload_url, b"{}") == 204
    invented = given.upload_url.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    assert visit.put(invented, b"{}") == 403
    assert visit.put(f"/_stcore/upload_file/no-session/{given.file_id}", b"{}") == 403


def test_a_session_has_its_limit_and_what_is_removed_makes_room(visit):
    first, second = visit.ask(["a.json", "b.json"])
    assert visit.put(first.upload_url, bytes(900_000)) == 204
    assert visit.put(second.upload_url, bytes(900_000)) == 413
    remove = urllib.request.Request(
        f"http://127.0.0.1:{visit.port}{first.delete_url}", method="DELETE", headers=visit.xsrf()
    )
    assert status_of(remove) == 204
    assert visit.put(second.upload_url, bytes(900_000)) == 204


def test_a_session_without_an_uploader_is_given_no_address(port):
    with connect(f"ws://127.0.0.1:{port}/_stcore/stream", origin=f"http://127.0.0.1:{port}") as socket:
        assert Visit(port, socket).ask(["boxes.json"]) == []
