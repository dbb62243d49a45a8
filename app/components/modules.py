"""ES modules joined into one: Streamlit takes a component's JavaScript as a single string."""

from __future__ import annotations

import re
from pathlib import Path

TILES_CSS = (Path(__file__).parent / "tile_grid.css").read_text("utf-8")
"""What comes before the style of a component with tiles."""

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.\.?/[\w./]*)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (const|let|class|function|async function) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default function", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def joined(entry: Path) -> str:
    """The module and all that it imports as one module with the entry's default export.

    Every file becomes a function of its own, called in the order of its imports, so that names of two files
    never meet. Understands ``import { a, b } from "./file.js";``, also from another folder, and ``export``
    before const, let, class and function; raises ValueError for any other form, for files that import each
    other, and for two files of one name.
    """
    order: list[Path] = []
    _collect(entry.resolve(), order, ())
    *others, last = order
    stems = [path.stem for path in others]
    if len(set(stems)) < len(stems):
        raise ValueError(f"expected modules with names of their own, got {', '.join(stems)}")
    return "\n".join([*map(_scoped, others), _entry(last)])


def _collect(path: Path, order: list[Path], above: tuple[Path, ...]) -> None:
    if path in above:
        names = " > ".join(one.stem for one in (*above, path))
        raise ValueError(f"expected modules that do not import each other, got {names}")
    if path in order:
        return
    for _, imported in _IMPORT.findall(path.read_text("utf-8")):
        _collect((path.parent / f"{imported}.js").resolve(), order, (*above, path))
    order.append(path)


def _bare(path: Path) -> str:
    """The module's text with its imports as plain constants and its exports as plain declarations."""
    source = _IMPORT.sub(
        lambda found: f"const {{{found[1]}}} = module_{Path(found[2]).name};\n", path.read_text("utf-8")
    )
    return _EXPORT.sub(r"\1 \2", source)


def _scoped(path: Path) -> str:
    names = ", ".join(name for _, name in _EXPORT.findall(path.read_text("utf-8")))
    body = _bare(path)
    _refuse_the_rest(body, path.stem)
    return f"const module_{path.stem} = (() => {{\n{body}\nreturn {{ {names} }};\n}})();"


def _entry(path: Path) -> str:
    body = _bare(path)
    if len(_DEFAULT.findall(body)) != 1:
        raise ValueError(f"expected one default function in {path.stem}.js")
    _refuse_the_rest(_DEFAULT.sub("function", body), path.stem)
    return body


def _refuse_the_rest(body: str, stem: str) -> None:
    left = _LEFT_OVER.search(body)
    if left:
        raise ValueError(f"expected simple imports and exports in {stem}.js, got: {left[0]}")
