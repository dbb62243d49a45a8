"""A fresh store for every test, on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.images.decode import Photo
from core.store import Store, sqlite_url
from core.store.photos import in_holdout
from tests import postgres

KINDS = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server with a database ``lapel_template`` that holds an empty store."""
    if postgres.programs() is None:
        pytest.skip("no PostgreSQL: install Debian's postgresql package")
    with postgres.server() as server, postgres.database(server, "lapel_template") as url:
        _found(url, tmp_path_factory.mktemp("template"))
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that holds an empty store."""
    folder = tmp_path_factory.mktemp("template")
    _found(sqlite_url(folder), folder)
    return folder / "lapel.db"


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a new empty store of a kind, as often as it is asked."""
    with ExitStack() as stack:

        def make(kind: str) -> str:
            name = f"store_{next(_numbers)}"
            if kind == "postgresql":
                server = request.getfixturevalue("postgresql_server")
                return stack.enter_context(postgres.database(server, name, "lapel_template"))
            folder = tmp_path / name
            folder.mkdir()
            shutil.copy(request.getfixturevalue("sqlite_template"), folder / "lapel.db")
            return sqlite_url(folder)

        yield make


@pytest.fixture
def fresh_store(
    fresh_url: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Store]]:
    """Gives a new empty store of a kind, with a folder of its own for blobs, as often as it is asked."""
    monkeypatch.delenv("LAPEL_BLOBS_URL", raising=False)
    with ExitStack() as stack:

        def make(kind: str) -> Store:
            store = Store.open(fresh_url(kind), tmp_path / f"blobs_{next(_numbers)}")
            stack.callback(store.close)
            return store

        yield make


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, fresh_store: Callable[[str], Store]) -> Store:
    """An empty store."""
    return fresh_store(request.param)


@pytest.fixture
def make_photo() -> Callable[..., Photo]:
    """Gives photos that look like no other seed's, by choice in the holdout (else never)."""
    return drawn


def drawn(seed: int, *, holdout: bool = False, name: str | None = None) -> Photo:
    """A photo of 96 x 128 pixels in large random patches."""
    random = np.random.default_rng(seed)
    patches = random.integers(30, 220, (8, 9, 1)) + random.integers(-30, 31, (8, 9, 3))
    image = Image.fromarray(patches.astype(np.uint8)).resize((96, 128), Image.Resampling.BICUBIC)
    digests = (hashlib.sha256(f"{seed} {n}".encode()).hexdigest() for n in itertools.count())
    digest = next(digest for digest in digests if in_holdout(digest) == holdout)
    return Photo(name or f"photo {seed}.jpg", image, digest)


def _found(url: str, folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("LAPEL_BLOBS_URL", raising=False)
        Store.open(url, folder).close()
