"""A PostgreSQL of the tests' own on loopback, thrown away afterwards; where the machine has its programs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.ports import free_port


def programs() -> Path | None:
    """The folder of the newest initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    usual = shutil.which("initdb")
    return Path(usual).resolve().parent if usual else None


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A server that keeps its data in a new folder; gives a URL without a database's name."""
    port = free_port()
    data = folder / "data"
    _run(
        "initdb",
        "--pgdata",
        data,
        "--username",
        "lapel",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--no-sync",
    )
    settings = f"-p {port} -h 127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=200"
    _run("pg_ctl", "start", "--pgdata", data, "--wait", "--log", folder / "log", "--options", settings)
    try:
        yield f"postgresql://lapel@127.0.0.1:{port}"
    finally:
        _run("pg_ctl", "stop", "--pgdata", data, "--mode", "immediate")


@contextmanager
def server() -> Iterator[str]:
    """A server in a folder of its own that the account it runs as can reach."""
    with tempfile.TemporaryDirectory(prefix="lapel-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, account())
        with running(folder) as url:
            yield url


@contextmanager
def database(url: str, name: str, template: str = "template0") -> Iterator[str]:
    """A new database on the server, dropped afterwards; gives SQLAlchemy's URL."""
    with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
        # Copying files takes half of what writing each page to the log takes, which PostgreSQL 15 began with.
        strategy = " STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"{strategy}')
    try:
        yield f"{url.replace('postgresql:', 'postgresql+psycopg:')}/{name}"
    finally:  # over a connection of its own: the server may have been stopped meanwhile
        with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def stopped(url: str) -> Iterator[None]:
    """Stop a server, whose sessions are cut off, and start it again at the end."""
    with psycopg.connect(f"{url}/postgres") as connection:
        data = _data_folder(connection)
    _run("pg_ctl", "stop", "--pgdata", data, "--mode", "fast", "--wait")
    try:
        yield
    finally:
        _run("pg_ctl", "restart", "--pgdata", data, "--wait", "--log", data.parent / "log")


def _data_folder(connection: psycopg.Connection[Any]) -> Path:
    return Path(connection.execute("SHOW data_directory").fetchall()[0][0])


def kill_and_start_again(url: str) -> None:
    """Kill a running server with all of its processes at once, as ``kill -9`` does, and start it anew."""
    with psycopg.connect(f"{url}/postgres") as connection:
        data = _data_folder(connection)
        others = [pid for (pid,) in connection.execute("SELECT pid FROM pg_stat_activity")]
    first = int((data / "postmaster.pid").read_text().split()[0])
    for pid in (first, *others):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while not all(_is_gone(pid) for pid in (first, *others)):
        time.sleep(0.01)
    (data / "postmaster.pid").unlink()  # its process may wait, dead, for its parent to take notice
    _run("pg_ctl", "restart", "--pgdata", data, "--wait", "--log", data.parent / "log")


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def account() -> str:
    """Whom a server runs as that root starts: PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(program: str, *arguments: object) -> None:
    folder = programs()
    if folder is None:
        raise FileNotFoundError("no PostgreSQL programs")
    user = {"user": account(), "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [str(folder / program), *map(str, arguments)], cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, **user,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr}")
