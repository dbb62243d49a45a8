"""ES modules joined into one: Streamlit takes a component's JavaScript as a single string."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (const|let|class|function|async function) (\w+)", re.MULTILINE)
_DEFAULT = re.compile(r"^export default function", re.MULTILINE)
_LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def joined(entry: Path) -> str:
    """The module and all that it imports as one module with the entry's default export.

    Every file becomes a function of its own, called in the order of its imports, so that names of two files
    never meet. Understands ``import { a, b } from "./file.js";`` and ``export`` before const, let, class and
    function; raises ValueError for any other form, and for files that import each other.
    """
    order: list[str] = []
    _collect(entry.parent, entry.stem, order, ())
    parts = [_scoped(entry.parent, stem) for stem in order if stem != entry.stem]
    return "\n".join([*parts, _entry(entry.parent, entry.stem)])


def _collect(folder: Path, stem: str, order: list[str], above: tuple[str, ...]) -> None:
    if stem in above:
        raise ValueError(f"expected modules that do not import each other, got {' > '.join((*above, stem))}")
    if stem in order:
        return
    for _, imported in _IMPORT.findall(_source(folder, stem)):
        _collect(folder, imported, order, (*above, stem))
    order.append(stem)


def _source(folder: Path, stem: str) -> str:
    return (folder / f"{stem}.js").read_text("utf-8")


def _bare(folder: Path, stem: str) -> str:
    """The module's text with its imports as plain constants and its exports as plain declarations."""
    source = _IMPORT.sub(lambda found: f"const {{{found[1]}}} = module_{found[2]};\n", _source(folder, stem))
    return _EXPORT.sub(r"\1 \2", source)


def _scoped(folder: Path, stem: str) -> str:
    names = ", ".join(name for _, name in _EXPORT.findall(_source(folder, stem)))
    body = _bare(folder, stem)
    _refuse_the_rest(body, stem)
    return f"const module_{stem} = (() => {{\n{body}\nreturn {{ {names} }};\n}})();"


def _entry(folder: Path, stem: str) -> str:
    body = _bare(folder, stem)
    if len(_DEFAULT.findall(body)) != 1:
        raise ValueError(f"expected one default function in {stem}.js")
    _refuse_the_rest(_DEFAULT.sub("function", body), stem)
    return body


def _refuse_the_rest(body: str, stem: str) -> None:
    left = _LEFT_OVER.search(body)
    if left:
        raise ValueError(f"expected simple imports and exports in {stem}.js, got: {left[0]}")
