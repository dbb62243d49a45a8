"""Annotation files as untrusted text: JSON, XML, YAML and lines, bounded by size, depth and counts.

What is bounded is checked before or while a file is parsed, so that neither nesting nor numbers of tiny
objects cost more time or memory than a large honest dataset does.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as Xml

import yaml  # type: ignore[import-untyped]

from core.errors import DatasetError

MIB = 2**20
MOST_JSON_BYTES = 512 * MIB
MOST_XML_BYTES = 256 * MIB
MOST_YAML_BYTES = MIB
MOST_TEXT_BYTES = 64 * MIB
MOST_CSV_BYTES = 256 * MIB

FREE_OBJECTS = 300_000
"""JSON objects and lists that a file may hold, whatever its size."""
LISTS = (b'"images"', b'"annotations"', b'"categories"', b'"shapes"', b'"regions"')
"""Keys whose lists are a dataset's content."""
BYTES_PER_OBJECT = 24
"""Of more objects, each has to bring this many bytes: annotations do, files of empty objects do not."""
ROWS_OF_PHOTOS = {
    b'"bbox"': (b'"file_name"', b'"coco_url"', b'"path"'),
    b'"points"': (b'"imagePath"',),
    b'"shape_attributes"': (b'"filename"',),
}
"""Keys of boxes and of their photos, in COCO's, labelme's and VIA's JSON."""
MOST_BOXES = 1000
"""Boxes that one photo may have; annotations beyond it are no work of people."""
FREE_ROWS = 100_000
"""Boxes and rows that a file may hold before they are counted against its photos."""
MOST_ELEMENTS = 400_000
"""Of an XML file, which then is read in two seconds; CVAT writes the jobs of a larger task apart."""
MOST_ATTRIBUTES, FREE_ATTRIBUTES, ATTRIBUTES_PER_ELEMENT = 4_000_000, 400_000, 24
MOST_XML_NAMES = 1000
"""Different names of elements and attributes: each is kept for as long as the file is parsed."""
MOST_XML_DEPTH = 32
MOST_PROLOG_BYTES = 64 * 1024
"""Of XML before the end of its document type: lists of attributes in it take quadratic time."""
MOST_TAG_BYTES = MIB
"""Of a tag, of the text between two, of a comment: what is longer costs the parser more than it holds."""
MOST_MARKS = 100_000
"""Comments, CDATA sections and processing instructions of an XML file."""
MOST_YAML_EVENTS = 100_000
XML_ENCODING = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,20})["']""")
XML_MARK = re.compile(rb"<!--|<!\[CDATA\[|<\?")
XML_MARK_ENDS = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_TAG_BOUND = f"tags, texts and comments of at most {MOST_TAG_BYTES // MIB} MiB are read"
MOST_DECLARATION_BYTES = 512
EAST_ASIAN = frozenset(
    (b"gb2312", b"gbk", b"gb18030", b"cp936", b"big5", b"cp950", b"shift_jis", b"cp932", b"euc-jp", b"euc-kr")
)
MOST_YAML_DEPTH = 16


def read_json(path: Path) -> Any:
    """The JSON in a file, in UTF-8, UTF-16 or UTF-32.

    Raises ``DatasetError`` where it is missing, no JSON, or beyond the bounds above.
    """
    path = Path(path)
    data = read_bytes(path, MOST_JSON_BYTES)
    for row, photo in ROWS_OF_PHOTOS.items():
        if (rows := data.count(row)) > FREE_ROWS:
            photos = sum(map(data.count, photo))
            if rows > MOST_BOXES * photos:
                these = "1 photo" if photos == 1 else f"{photos:,} photos"
                raise DatasetError(
                    f"{path.name}: at most {MOST_BOXES:,} boxes of a photo are read, got {rows:,} of {these}"
                )
    objects = data.count(b"{") + data.count(b"[")
    most = max(FREE_OBJECTS, len(data) // BYTES_PER_OBJECT)
    if objects > most:
        raise DatasetError(
            f"{path.name}: at most {most:,} objects and lists are read of a file of {len(data):,} bytes, got "
            f"{objects:,}"
        )
    try:
        has_repeats = any(data.count(key) > 1 for key in LISTS)
        hook = _without_repeats if has_repeats else None  # it takes twice the time
        return json.loads(data.removeprefix(codecs.BOM_UTF8), object_pairs_hook=hook)
    except RecursionError as error:
        raise DatasetError(
            f"{path.name}: JSON is expected, got lists or objects nested too deeply"
        ) from error
    except ValueError as error:  # bad UTF-8 and bad JSON
        raise DatasetError(f"{path.name}: JSON is expected, got: {error}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose keys differ: of two lists under one key the first would be lost without a word."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = first_repeated([key for key, _ in pairs])
        raise ValueError(f"the key {str(twice)[:60]!r} twice in one object")
    return made


def read_xml(path: Path, most_elements: int = MOST_ELEMENTS) -> Xml.Element:
    """The root element of an XML file, without entities and external references.

    Raises ``DatasetError`` where it is missing, no XML, or beyond the bounds above.
    """
    from defusedxml.common import DefusedXmlException  # here: the other formats are read without it
    from defusedxml.ElementTree import DefusedXMLParser

    path = Path(path)
    data = read_bytes(path, MOST_XML_BYTES)
    parser = DefusedXMLParser(target=_BoundedBuilder(path.name, most_elements))
    try:
        data = _in_utf_8(data).lstrip()  # some tools begin with an empty line
        _check_xml(data, path.name, most_elements)
        parser.feed(data)
        root = parser.close()
    except DefusedXmlException as error:
        raise DatasetError(f"{path.name}: XML without entities of its own (<!ENTITY>) is read") from error
    except (SyntaxError, ValueError, LookupError) as error:
        raise DatasetError(f"{path.name}: XML is expected, got: {_first_line(error)}") from error
    if not isinstance(root, Xml.Element):
        raise DatasetError(f"{path.name}: XML is expected, got a file without an element")
    return root


def _in_utf_8(data: bytes) -> bytes:
    """XML in UTF-16, or in an encoding of East Asia that the parser does not know, in UTF-8.

    Raises ValueError.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16")
        start = text[:MOST_DECLARATION_BYTES]
        return text[start.find("?>") + 2 if start.startswith("<?xml ") and "?>" in start else 0 :].encode()
    end = data.find(b">", 0, MOST_DECLARATION_BYTES) + 1
    encoding = XML_ENCODING.match(data[:end]) if data[:end].endswith(b"?>") else None
    if encoding is None or encoding[1].lower() not in EAST_ASIAN:
        return data
    return data[end:].decode(encoding[1].decode("ascii")).encode()


def _check_xml(data: bytes, name: str, most_elements: int) -> None:
    """Raise DatasetError for XML that would cost the parser far more than what it holds."""
    if any(data.find(word, MOST_PROLOG_BYTES) >= 0 for word in (b"<!ATTLIST", b"<!ELEMENT", b"<!NOTATION")):
        raise DatasetError(
            f"{name}: a document type of at most {MOST_PROLOG_BYTES // 1024} KiB is read, this one is longer"
        )
    starts = range(0, len(data) - MOST_TAG_BYTES, MOST_TAG_BYTES)
    if any(data.find(b"<", start, start + MOST_TAG_BYTES) < 0 for start in starts):
        raise DatasetError(f"{name}: {_TAG_BOUND}, one of the file's is longer")
    elements = data.count(b"<") - sum(map(data.count, (b"</", b"<!", b"<?")))
    attributes = data.count(b"=")
    most = min(MOST_ATTRIBUTES, FREE_ATTRIBUTES + ATTRIBUTES_PER_ELEMENT * elements)
    if elements > most_elements or attributes > most:
        raise DatasetError(
            f"{name}: at most {most_elements:,} elements and {most:,} attributes are read of this file, got "
            f"{elements:,} and {attributes:,}: bring the photos in with several files"
        )
    at = 0
    for _ in range(MOST_MARKS):
        if (mark := XML_MARK.search(data, at)) is None:
            return
        end = data.find(XML_MARK_ENDS[mark[0]], mark.end(), mark.end() + MOST_TAG_BYTES)
        if end < 0 and mark.end() + MOST_TAG_BYTES < len(data):
            raise DatasetError(f"{name}: {_TAG_BOUND}, one of the file's is longer")
        at = max(end, mark.end())
    raise DatasetError(f"{name}: at most {MOST_MARKS:,} comments are read, the file has more")


class _BoundedBuilder(Xml.TreeBuilder):
    """Builds the tree, and stops where it is too deep or too large."""

    def __init__(self, name: str, most_elements: int) -> None:
        super().__init__()
        self._name, self._most = name, most_elements
        self._depth = self._elements = 0
        self._names: set[str] = set()

    def start(self, tag: str, attrs: dict[Any, Any], /) -> Xml.Element:
        self._depth += 1
        self._elements += 1
        self._names.add(tag)
        self._names.update(attrs)
        if self._depth > MOST_XML_DEPTH or self._elements > self._most or len(self._names) > MOST_XML_NAMES:
            raise DatasetError(
                f"{self._name}: at most {MOST_XML_DEPTH} levels, {self._most:,} elements and "
                f"{MOST_XML_NAMES:,} names of them are read, the file has more"
            )
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Xml.Element:
        self._depth -= 1
        return super().end(tag)


def read_yaml(path: Path) -> Any:
    """The YAML in a file, with every scalar as the text that was written: ``no`` and ``010`` stay themselves.

    Merge keys and tags mean nothing. Raises ``DatasetError`` where it is missing, no YAML, or beyond the
    bounds above.
    """
    path = Path(path)
    text = read_text(path, MOST_YAML_BYTES)
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        _check_events(yaml.parse(text, Loader=loader), path.name)
        return yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        what = f"{problem}: line {mark.line + 1}" if mark and problem else _first_line(error)
        raise DatasetError(f"{path.name}: YAML is expected, got: {what}") from error


def _check_events(events: Iterator[Any], name: str) -> None:
    depth = 0
    for count, event in enumerate(events):
        if isinstance(event, yaml.events.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.events.CollectionEndEvent):
            depth -= 1
        if depth > MOST_YAML_DEPTH or count > MOST_YAML_EVENTS:
            raise DatasetError(
                f"{name}: at most {MOST_YAML_DEPTH} levels and {MOST_YAML_EVENTS:,} entries are read, the "
                "file has more"
            )


class CsvRow(NamedTuple):
    """A row of a CSV by its columns, and the number of its line; ``error`` says why it is none."""

    line: int
    cells: dict[str, str]
    error: str = ""


def read_rows(path: Path) -> Iterator[CsvRow]:
    """The rows of a CSV below its first one, but for blank ones; a missing cell is empty.

    A line that is no row, for a quote that is never closed or a cell beyond ``csv.field_size_limit``, costs
    itself. Raises ``DatasetError`` for no text, and for two columns of one name.
    """
    path = Path(path)
    lines = io.StringIO(read_text(path, MOST_CSV_BYTES), newline="").readlines()
    columns: list[str] | None = None
    for line, row in _records(lines):
        if isinstance(row, str):
            yield CsvRow(line, dict.fromkeys(columns or (), ""), row)
        elif not any(map(str.strip, row)):  # a blank line
            continue
        elif columns is None:
            columns = [column.strip() for column in row]
            keys = [column.lower() for column in columns if column]
            if (twice := first_repeated(keys)) is not None:
                raise DatasetError(
                    f"{path.name}: columns of different names are expected, got {twice!r} twice"
                )
        else:
            cells = row + [""] * (len(columns) - len(row))
            yield CsvRow(line, dict(zip(columns, cells, strict=False)))


def _records(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | str]]:
    """The rows of a CSV's lines with their numbers, or why a line is none.

    A row whose quotes are wrong is read by its first line alone, so that it takes no other with it.
    """
    start = 0
    while start < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), strict=True)
        first = start
        try:
            for row in reader:
                yield first + 1, row
                first = start + reader.line_num
            return
        except csv.Error:
            yield first + 1, _one_record(lines[first])
            start = first + 1


def _one_record(line: str) -> list[str] | str:
    """One line's cells, with quotes that stand amid a cell as they are; or why it is no row."""
    reader = csv.reader([line, "\n"])
    try:
        row = next(reader, [])
    except csv.Error:
        return f"cells of at most {csv.field_size_limit():,} characters are read, one is longer"
    return "a quotation mark is not closed" if reader.line_num > 1 else row


def read_lines(path: Path, most_bytes: int = MOST_TEXT_BYTES) -> list[str]:
    """The lines of a text, numbered as editors do: only line ends count.

    Raises ``DatasetError`` for no text.
    """
    text = read_text(Path(path), most_bytes)
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n") if text else []


def first_lines(path: Path, most_bytes: int = 16_384) -> list[str]:
    """The first lines of a text, as far as they are whole; a file of other bytes has none."""
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError:
        return []
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf_16 else "utf-8-sig", "ignore")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if len(data) <= most_bytes else lines[:-1]


def read_text(path: Path, most_bytes: int = MOST_TEXT_BYTES) -> str:
    """A text in UTF-8, or in UTF-16 with its mark. Raises ``DatasetError`` where it is none, or too large."""
    data = read_bytes(path, most_bytes)
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name}: a text in UTF-8 is expected, got: {error}") from error


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """A file's bytes. Raises ``DatasetError`` where it is missing, no plain file, or larger."""
    try:
        if path.exists() and not path.is_file():  # a pipe or a device could be waited on for ever
            found = "Is a directory" if path.is_dir() else "no plain file"
            raise DatasetError(f"{path.name}: an annotation file is expected, got: {found}")
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise DatasetError(
            f"{path.name}: an annotation file is expected, got: {error.strerror or error}"
        ) from error
    except ValueError as error:  # a name with NUL
        raise DatasetError(f"an annotation file is expected, got a name that is none: {error}") from error
    if len(data) > most_bytes:
        raise DatasetError(f"{path.name}: at most {most_bytes / MIB:,.0f} MiB are read, the file is larger")
    return data


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def first_repeated(names: Sequence[object]) -> object | None:
    """The first entry that was there before, or ``None`` where all differ."""
    seen: set[object] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
