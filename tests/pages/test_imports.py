"""What pages import: nothing that was not imported before they run, and PyTorch only where a model works."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.navigation import ENTRIES
from core.files import DATA_VARIABLE
from tests.app.annotating import filled_store
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "lightning", "sklearn", "scipy", "cleanlab", "pandas", "plotly"}
OURS = {"core", "app"}
VISITS = """
import json, sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
from app import resources
from app.navigation import ENTRIES, import_all_modules
from core.errors import WeightsError
from core.models import cards

def no_labeler():
    raise WeightsError("stopped where the labeler is asked for")

root, cards.WEIGHTS_FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
load, resources.labeler = resources.labeler, no_labeler
first = AppTest.from_file(str(root / "app" / "main.py"), default_timeout=240).run()
seen = {"first page": sorted(sys.modules), "loaded first": len(first.title)}
resources.machine_store().models.register_shipped()
seen["weights registered"] = sorted(set(sys.modules) - set(seen["first page"]))
import_all_modules()
seen["all pages"] = sorted(sys.modules)
for entry in ENTRIES:
    page = AppTest.from_file(str(root / "app" / "main.py"), default_timeout=240)
    before = set(sys.modules)
    page.switch_page(entry.path).run()
    failed = [error.value for error in (*page.exception, *page.error) if "stopped" not in error.value]
    seen[entry.title] = {"new": sorted(set(sys.modules) - before), "failed": failed}
json.dump(seen, sys.stdout)
"""


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> dict:
    """The modules of a fresh process after its first page, after all imports, and new ones of each page.

    The weights that ship are new to the store.
    """
    folder = tmp_path_factory.mktemp("data")
    filled_store(folder, photos=2, predicted=True).close()
    environment = os.environ | {DATA_VARIABLE: str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", VISITS, str(ROOT), str(tiny_weights)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict = json.loads(done.stdout)
    return found


def test_the_first_page_brings_neither_pytorch_nor_pandas(visits):
    assert visits["loaded first"] == 1
    assert {"torch", "torchvision", "pandas", "scipy", "sklearn", "dbos"} & set(visits["first page"]) == set()


def test_registering_the_weights_that_ship_in_a_new_store_brings_no_pytorch(visits):
    assert "torch" not in visits["weights registered"]
    assert visits["Models"]["failed"] == []


def test_what_all_pages_import_is_without_pytorch(visits):
    found = set(visits["all pages"])
    assert {"torch", "torchvision", "lightning", "sklearn", "scipy", "cleanlab", "dbos"} & found == set()
    assert {"pandas", "plotly", "app.models.page", "app.train.watch"} <= found


@pytest.mark.parametrize("title", [entry.title for entry in ENTRIES])
def test_a_page_finds_everything_imported(visits, title):
    visit = visits[title]
    assert visit["failed"] == []
    assert [name for name in visit["new"] if name.split(".")[0] in HEAVY | OURS] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.title for entry in ENTRIES])
def test_the_navigation_names_the_modules_that_a_page_imports(entry):
    imported = modules_of_the_app(ROOT / "app" / entry.path) - modules_of_the_app(ROOT / "app" / "main.py")
    assert set(entry.modules) == imported - {"app.resources", "app.text"}  # which app.auth.identity imports


def modules_of_the_app(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    }
    return {
        name
        for name in names
        if name.startswith("app.") and (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()
    }
