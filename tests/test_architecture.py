"""The rooms keep to themselves: imports go pages -> app -> core, and files stay small enough to be read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]
ROOMS = ("core", "app", "pages", "tools")
LAYERS = (
    "cli",
    "jobs",
    "active_learning",
    "training",
    "inference",
    "store",
    "evaluation",
    "datasets",
    "models",
    "images",
)
"""The packages of core/, each of which imports only from those after it and from the modules beside them."""

RUN_BY_PAGES = ("active_learning", "inference", "store")
LARGE = re.compile(
    r"^(?:import|from) (?:torch|lightning|pandas|plotly|scipy|sklearn|cleanlab|onnxruntime|openvino|"
    r"core\.(?:models|inference|training|active_learning\.queue_order)\b)"
)
"""Imports that bring large packages."""

MOST_MODULES_AT_THE_TOP_OF_APP = 8
SLOW = {"torch", "lightning", "streamlit"}
READERS = {f"core.datasets.{name}" for name in ("coco", "cvat", "discovery", "export", "voc", "yolo")}
WEB = {"streamlit", "gradio", "gradio_client", "starlette", "fastapi"}
MOST_LINES = 400
PATCHING = {"setattr", "delattr", "getattr", "patch", "object"}
OTHERS_PRIVATES = {"tests/core/evaluation/oracle.py: _prepare"}  # pycocotools'
IMPORTERS_BY_NAME = {"app/navigation.py", "core/models/registry.py", "tools/gpu_worker.py"}
"""They import from their own room: the modules of a page, of a network, of a process's work."""
PAGES_THAT_USE_ANOTHER = {
    "anchors uses data": "a path on the server's machine",
    "anchors uses preview": "uploaded files",
    "anchors uses train": "how a revision is described",
    "annotate uses attention": "maps over a photo",
    "attention uses preview": "the dropped photos of the session",
    "data uses preview": "uploaded files, the picture with its boxes",
    "demo uses preview": "the sample photos",
    "models uses attention": "maps of a photo that two models see otherwise",
    "models uses data": "a path on the server's machine",
    "models uses preview": "the gallery's tiles",
    "preview uses attention": "maps over a photo",
    "preview uses data": "the outcomes of an import",
    "train uses data": "what the gate needs of the holdout",
}
"""Each for one thing; what has no page of its own lies in app/components/."""
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


def test_only_the_store_speaks_sql():
    libraries = {"sqlalchemy", "sqlite3", "psycopg"}
    speaking = {
        str(path.relative_to(ROOT))
        for path in modules_of(*ROOMS)
        if libraries & {name.split(".")[0] for name in imported_by(path)}
    }
    assert {path for path in speaking if not path.startswith("core/store/")} == set()


def test_modules_are_imported_by_their_whole_names():
    """Relative imports and names made at run time would pass by the tests of directions."""
    relative = {
        str(path.relative_to(ROOT))
        for path in modules_of(*ROOMS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert relative == set()
    by_name = {
        str(path.relative_to(ROOT))
        for path in modules_of(*ROOMS)
        if re.search(r"import_module\(|__import__\(", path.read_text(encoding="utf-8"))
    }
    assert by_name == IMPORTERS_BY_NAME


def test_there_is_something_to_check():
    assert ROOT / "core" / "garments.py" in modules_of("core")
    assert "numpy" in imported_by(ROOT / "tools" / "synthetic" / "canvas.py")


def test_the_core_knows_no_web():
    assert wrong_imports(("core",), WEB) == {}


@pytest.mark.parametrize(
    ("rooms", "forbidden"),
    [
        (("core",), {"app", "pages", "tools"}),
        (("app",), {"pages", "tools"}),
        (("tools",), {"app", "pages"}),
        (ROOMS, {"tests", "benchmarks"}),
    ],
    ids=["core", "app", "tools", "all"],
)
def test_imports_go_from_pages_to_app_to_core(rooms, forbidden):
    assert wrong_imports(rooms, forbidden) == {}


def test_pages_share_by_components_and_hardly_by_each_other():
    """A page's folder may use the folders that all share; who uses another page's is named here, with why."""
    shared = {"auth", "components", "editor"}
    found = set()
    for path in modules_of("app"):
        page = path.relative_to(ROOT).parts[1]
        for name in imported_by(path):
            other = name.split(".")[1] if name.startswith("app.") else page
            folders = all((ROOT / "app" / folder).is_dir() for folder in (page, other))
            if folders and other not in shared | {page}:
                found.add(f"{page} uses {other}")
    assert found == PAGES_THAT_USE_ANOTHER.keys()


def imports_in(*folders: str, for_types: bool) -> dict[str, set[str]]:
    """Each module of the folders with the modules there that it imports, also inside functions.

    ``for_types`` counts imports under ``if TYPE_CHECKING:``, which never run, as well.
    """
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules_of(*folders)}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        skipped: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
                skipped |= set(ast.walk(node))
        imports: set[str] = set()
        for node in ast.walk(tree):
            if node in skipped:
                continue
            if isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                imports |= (inner & names.keys()) or {node.module}
        found[name] = (imports & names.keys()) - {name}
    return found


def layer_of(module: str) -> int:
    """The place of a module's package in LAYERS; the entry is above all, single modules are below all."""
    part = module.split(".")[1] if "." in module else ""
    return LAYERS.index(part) if part in LAYERS else (-1 if part == "__main__" else len(LAYERS))


def test_every_package_of_the_core_has_its_place():
    packages = {path.name for path in (ROOT / "core").iterdir() if (path / "__init__.py").is_file()}
    assert packages == set(LAYERS)


def test_imports_inside_the_core_go_down_and_never_back_up():
    upward = [
        f"{module} imports {other}"
        for module, others in imports_in("core", for_types=True).items()
        for other in others
        if layer_of(other) < layer_of(module)
    ]
    assert sorted(upward) == []


def test_no_imports_go_in_a_circle():
    graph = imports_in("core", "app", "pages", "tools", "benchmarks", for_types=False)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_threads_of_the_workspace_import_large_packages_one_at_a_time():
    """What visitors' threads import inside functions is imported under the lock of core/threads.py."""
    wrong = []
    for path in modules_of("app", "pages", *(f"core/{name}" for name in RUN_BY_PAGES)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        late = [
            node for body in ast.walk(tree) if isinstance(body, ast.FunctionDef) for node in ast.walk(body)
        ]
        guarded = {
            id(node)
            for block in ast.walk(tree)
            if isinstance(block, ast.With) and ast.unparse(block.items[0]) == "IMPORTS"
            for node in ast.walk(block)
        }
        for node in late:
            is_import = isinstance(node, ast.Import | ast.ImportFrom)
            if is_import and id(node) not in guarded and LARGE.search(ast.unparse(node)):
                wrong.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert [name for name in wrong if not name.startswith("app/demo")] == []


def test_few_modules_lie_at_the_top_of_the_app():
    modules = [path.name for path in (ROOT / "app").glob("*.py")]
    assert len(modules) <= MOST_MODULES_AT_THE_TOP_OF_APP, modules


def test_pages_get_at_data_only_through_what_checks_rights():
    """The store's database and blobs ask nobody who they are; its address may name what is cached."""
    passed_by = re.compile(r"\.(database(?!\.engine\.url)|blobs)\b")
    wrong = []
    for path in modules_of("app", "pages"):
        lines = path.read_text(encoding="utf-8").splitlines()
        wrong += [f"{path.relative_to(ROOT)}: {line.strip()}" for line in lines if passed_by.search(line)]
    assert wrong == []


def places_to_change() -> list[tuple[str, list[Path], list[str]]]:
    """README's table of what to change where: the subject, its files and folders, and the names in them."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    rows = lines[lines.index("| to change | open | name in it |") + 2 :]
    found = []
    for row in rows[: next(n for n, line in enumerate(rows) if not line.startswith("|"))]:
        subject, opened, names = (cell.strip() for cell in row.replace("\\|", "/").strip("|").split("|"))
        folder, paths = "", []  # a name without a folder lies in the folder of the one before it
        for name in re.findall(r"`([^`]+)`", opened):
            folder = name.rpartition("/")[0] if "/" in name else folder
            beside = name if "/" in name or not folder else f"{folder}/{name}"
            paths.append(ROOT / beside)
        found.append((subject, paths, re.findall(r"`([^`]+)`", names)))
    return found


def test_readme_names_what_is_there_to_change():
    places = places_to_change()
    missing = [f"{subject}: {path}" for subject, paths, _ in places for path in paths if not path.exists()]
    for subject, paths, names in places:
        files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
        text = "".join(
            f"{file.name} {file.read_text(encoding='utf-8')}"
            for file in files
            if file.suffix in (".py", ".js", ".css", ".html", ".json", ".toml", ".cpp")
        )
        missing += [f"{subject}: {name}" for name in names if not is_named(name.rpartition(".")[2], text)]
    assert not missing and len(places) > 50


def is_named(name: str, text: str) -> bool:
    """Whether a text has this name as a whole."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def own_private_names() -> set[str]:
    """The names with one underscore in front that our functions, classes, variables and attributes have."""
    found = set()
    for path in modules_of(*ROOMS, "benchmarks"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return {name for name in found if re.fullmatch(r"_[A-Za-z]\w*", name)}


def names_reached_into(node: ast.AST) -> list[str]:
    """The names that a node takes from a module or an object of others, also as text in ``setattr``."""
    if isinstance(node, ast.Attribute):
        return [] if ast.unparse(node.value) in ("self", "cls") else [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in PATCHING:
        texts = [given.value for given in node.args if isinstance(given, ast.Constant)]
        return [text.rpartition(".")[2] for text in texts if isinstance(text, str)]
    return []


def test_tests_use_what_is_public():
    """A test that reaches into privates holds the code still, and may pass where a user sees nothing work."""
    private, found = own_private_names(), []
    for path in modules_of("tests"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = private.intersection(names_reached_into(node))
            found += [f"{path.relative_to(ROOT)}: {name}" for name in names]
    assert len(private) > 1000 and sorted(set(found) - OTHERS_PRIVATES) == []


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


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("core.garments", SLOW),
        ("core.images.decode", SLOW),
        ("core.taxonomy", SLOW),
        ("tools.synthetic", SLOW),
        ("core.inference.model_cache", SLOW | READERS),
    ],
)
def test_modules_are_imported_without_what_they_do_not_need(module, unwanted):
    code = f"import sys, {module}; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert done.stdout.strip() == "[]"
