"""What several tests share: real photos where the machine has them, a drawn scene, and a browser."""

from __future__ import annotations

import faulthandler
import gc
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pytest

from tools.synthetic import DrawnScene, draw_scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from xdist.remote import Producer

    from core.inference.labeler import Labeler
    from tests.object_store import ObjectStore
    from tests.scheduling import FileScheduling

# Several tests run at once: threads of one that wait for each other would take the cores from the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# PyTorch, which every export has to agree with: random weights of a test need not be exported to be tried.
os.environ.setdefault("LAPEL_ENGINE", "pytorch")

# All temporary files lie in one folder, which the process that made it removes at the end, those of killed
# children too. The folders of failed tests stay, in pytest's own place.
SCRATCH_MADE = "LAPEL_TEST_SCRATCH" not in os.environ
if SCRATCH_MADE:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["LAPEL_TEST_SCRATCH"] = tempfile.mkdtemp(prefix="lapel-test-")
SCRATCH = Path(os.environ["LAPEL_TEST_SCRATCH"])
SCRATCH.chmod(0o711)  # a database server runs as another account
os.environ["TMPDIR"] = tempfile.tempdir = str(SCRATCH)
os.environ.setdefault("LAPEL_CACHE", str(SCRATCH / "cache"))

ROOT = Path(__file__).parents[1]
CHROMIUM_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def eager_workers() -> None:
    """The tests' workers do not wait until the machine has nothing else to do: other tests keep it busy."""
    os.environ.setdefault("LAPEL_WORKER_NICE", "0")


@pytest.fixture(scope="session")
def uncaptured_stderr(pytestconfig: pytest.Config) -> Iterator[TextIO]:
    """The suite's own stderr, which pytest captures while tests run."""
    captured = pytestconfig.pluginmanager.get_plugin("capturemanager")
    assert captured is not None
    with captured.global_and_fixture_disabled():
        stderr = os.fdopen(os.dup(2), "w")
    with stderr:
        yield stderr
        faulthandler.disable()


@pytest.fixture(scope="module", autouse=True)
def traced_faults(uncaptured_stderr: TextIO) -> None:
    """A process that a fault ends says where: native libraries may have taken pytest's handlers away."""
    faulthandler.disable()
    faulthandler.enable(uncaptured_stderr)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real photos: ``LAPEL_TEST_DATA``, else ``shared/data`` beside the repository."""
    folder = Path(os.environ.get("LAPEL_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "street" / "val.json").is_file():
        pytest.skip(f"no real photos in {folder}: set LAPEL_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def drawn_scene() -> DrawnScene:
    """A drawn person in several garments, 240 x 320 pixels. Shared: do not change it."""
    return draw_scene(100, (240, 320), "person")


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a detector's and a classifier's weights, random and quick; see ``tests/weights.py``."""
    from tests.weights import save_both

    return save_both(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def light_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``tiny_weights``, the classifier without attention: 6 MB and not 29, for tests that store models."""
    from tests.weights import save_both

    return save_both(tmp_path_factory.mktemp("light"), attention=False)


@pytest.fixture
def tiny_ships(light_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The light weights in the place of those that ship; gives their folder."""
    monkeypatch.setattr("core.models.cards.WEIGHTS_FOLDER", light_weights)
    return light_weights


@pytest.fixture(scope="session")
def light_labeler(light_weights: Path) -> Labeler:
    """A labeler of the light weights. Shared: do not change it."""
    from core.inference.labeler import Labeler

    return Labeler.load(light_weights / "detector.safetensors", light_weights / "classifier.safetensors")


@pytest.fixture(scope="session")
def tiny_labeler(tiny_weights: Path) -> Labeler:
    """A labeler of the tiny weights. Shared: do not change it."""
    from core.inference.labeler import Labeler

    return Labeler.load(tiny_weights / "detector.safetensors", tiny_weights / "classifier.safetensors")


@pytest.fixture
def exported_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are made in this process, which has loaded PyTorch already.

    Those of the tiny weights are made once for all tests: they lie in the suite's cache by their digest.
    Random weights round more than trained ones, and so may differ more than those in use.
    """
    from core.inference.engines import export_cache
    from core.inference.engines.export_process import export_for

    def make(path: Path, engine: str, folder: Path) -> None:
        with one_at_a_time:
            export_for(path, engine, folder)

    one_at_a_time = threading.Lock()  # PyTorch's exporter is not for two threads
    monkeypatch.setattr(export_cache, "run_export", make)
    monkeypatch.setattr("core.inference.engines.export_process.LARGEST_TOLERANCE", 0.05)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An empty object store on loopback, which this process and its children find by their environment."""
    from tests import object_store

    with object_store.running() as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium: ``CHROMIUM``, else Debian's.

    The headless shell is the same engine without the window around it, and opens a page at half the cost.
    """
    path = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None or not Path(path).exists():
        pytest.skip("no Chromium: install Debian's chromium-headless-shell or chromium, or set CHROMIUM")
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless Chromium that all browser tests share; each opens a context of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=list(CHROMIUM_ARGUMENTS))
        yield started
        started.close()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """A process of the suite that died must not hold up the others."""
    from tests.scheduling import FileScheduling

    return FileScheduling(config, log)


def pytest_unconfigure() -> None:
    """Remove what the suite left among the temporary files."""
    if SCRATCH_MADE:
        shutil.rmtree(SCRATCH, ignore_errors=True)


def pytest_collection_finish() -> None:
    """What the imports made stays: collecting garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the shared browser come last: Playwright leaves an event loop running in the main thread.

    Of those, files with slow tests and long ones come first, so that at the end no process waits for another.
    """
    sizes = Counter(item.path for item in items if in_browser(item))
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item: pytest.Item) -> tuple[bool, bool, int, str]:
        if not in_browser(item):
            return False, False, 0, ""
        return True, item.path not in slow, -sizes[item.path], str(item.path)

    items.sort(key=place)


def in_browser(item: pytest.Item) -> bool:
    """Whether a test uses the shared browser."""
    return "browser" in getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Streamlit's AppTest leaves its script behind as ``__main__``: child processes would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
