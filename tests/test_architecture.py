"""The rooms keep to themselves: imports go pages -> app -> core, and files stay small enough to be read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("core", "app", "pages")
WEB = {"streamlit", "gradio", "gradio_client", "starlette", "fastapi"}
MOST_LINES = 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}


def modules_of(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py") if path.is_file())


def imported_by(path: Path) -> set[str]:
    """The dotted names that a module imports anywhere, also inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(path.relative_to(ROOT).parts[: -node.level]) if node.level else ""
            names.add(".".join(part for part in (package, node.module) if part))
    return names


def wrong_imports(rooms: tuple[str, ...], forbidden: set[str]) -> dict[str, list[str]]:
    found = {}
    for path in modules_of(*rooms):
        wrong = sorted(name for name in imported_by(path) if name.split(".")[0] in forbidden)
        if wrong:
            found[str(path.relative_to(ROOT))] = wrong
    return found


def test_there_is_something_to_check():
    assert ROOT / "core" / "garments.py" in modules_of("core")
    assert "numpy" in imported_by(ROOT / "core" / "data" / "drawn" / "canvas.py")


def test_the_core_knows_no_web():
    assert wrong_imports(("core",), WEB) == {}


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [(("core",), {"app", "pages"}), (("app",), {"pages"}), (ROOMS, {"tests", "benchmarks"})],
    ids=["core", "app", "all"],
)
def test_imports_go_from_pages_to_app_to_core(rooms, forbidden):
    assert wrong_imports(rooms, forbidden) == {}


def test_pages_get_at_data_only_through_what_checks_rights():
    """The store's database and blobs ask nobody who they are; its address may name what is cached."""
    passed_by = re.compile(r"\.(database(?!\.engine\.url)|blobs)\b")
    wrong = []
    for path in modules_of("app", "pages"):
        lines = path.read_text(encoding="utf-8").splitlines()
        wrong += [f"{path.relative_to(ROOT)}: {line.strip()}" for line in lines if passed_by.search(line)]
    assert wrong == []


def test_no_module_has_a_name_that_says_nothing():
    assert [str(path) for path in modules_of(*ROOMS) if path.stem in VAGUE_NAMES] == []


def test_no_file_is_too_long_to_be_read():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules_of(*ROOMS, "tests", "benchmarks")
    }
    assert {name: count for name, count in lengths.items() if count > MOST_LINES} == {}


def test_no_module_of_the_app_hides_the_core():
    """``streamlit run app/main.py`` puts app/ first on the path: a module named core there would win."""
    assert not (ROOT / "app" / "core.py").exists()
    assert not (ROOT / "app" / "core").exists()


@pytest.mark.parametrize("module", ["core.garments", "core.photos", "core.taxonomy", "core.data.drawn"])
def test_the_nouns_can_be_had_without_loading_torch(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'lightning', 'streamlit'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
