"""The components' files stay modules of their own, and go to the browser as one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.components.modules import joined

APP = Path(__file__).parents[3] / "app"
EDITOR = APP / "editor"
MOST_LINES = 400


def write(folder: Path, **modules: str) -> Path:
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source)
    return folder / "entry.js"


def test_names_of_two_files_never_meet(tmp_path: Path):
    entry = write(
        tmp_path,
        entry='import { one } from "./a.js";\nimport { two } from "./b.js";\nconst hidden = 3;\n'
        "export default function () { return one() + two + hidden; }\n",
        a='import { two } from "./b.js";\nconst hidden = 10;\nexport const one = () => hidden + two;\n',
        b="const hidden = 100;\nexport const two = hidden;\n",
    )
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    module = tmp_path / "joined.mjs"
    module.write_text(joined(entry))
    script = f"import main from {module.as_uri()!r}; console.log(main());"
    done = subprocess.run([node, "--input-type=module", "-e", script], capture_output=True, text=True)
    assert done.stdout.strip() == "213", done.stderr


def test_files_of_other_folders_are_found_and_names_are_their_own(tmp_path: Path):
    (tmp_path / "page").mkdir()
    write(tmp_path, shared="export const one = 1;\n", a="export const two = 2;\n")
    source = 'import { one } from "../shared.js";\nexport default function () { return one; }\n'
    entry = write(tmp_path / "page", entry=source, a="export const three = 3;\n")
    assert "const {one } = module_shared" in joined(entry).replace("{ one", "{one")
    entry.write_text('import { three } from "./a.js";\nimport { two } from "../a.js";\n' + source)
    with pytest.raises(ValueError, match="names of their own, got a, a, shared"):
        joined(entry)


def test_files_that_import_each_other_are_refused(tmp_path: Path):
    entry = write(
        tmp_path,
        entry='import { a } from "./a.js";\nexport default function () {}\n',
        a='import { b } from "./b.js";\nexport const a = 1;\n',
        b='import { a } from "./a.js";\nexport const b = 1;\n',
    )
    with pytest.raises(ValueError, match="a > b > a"):
        joined(entry)


@pytest.mark.parametrize(
    "line", ['import a from "./a.js";', 'import * as a from "./a.js";', "export { b };", "export default 3;"]
)
def test_forms_that_are_not_understood_are_refused(tmp_path: Path, line: str):
    entry = write(
        tmp_path,
        entry='import { c } from "./c.js";\nexport default function () {}\n',
        a="export const a = 1;\n",
        c=f"{line}\nexport const c = 1;\n",
    )
    with pytest.raises(ValueError, match="simple imports and exports in c.js"):
        joined(entry)


def test_the_editor_is_one_module_with_every_file():
    source = joined(EDITOR / "editor.js")
    assert len(re.findall(r"^export ", source, re.MULTILINE)) == 1
    assert not re.search(r"^import ", source, re.MULTILINE)
    for path in EDITOR.glob("*.js"):
        assert path.name in ("editor.js", "loader.js") or f"const module_{path.stem} = " in source


@pytest.mark.parametrize("path", sorted(APP.rglob("*.js")), ids=lambda path: path.name)
def test_names_reach_the_page_as_text_and_files_can_be_read(path: Path):
    source = path.read_text("utf-8")
    ways = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "srcdoc")
    assert not [way for way in ways if way in source]
    assert len(source.splitlines()) < MOST_LINES
