"""Annotation files as hostile text: bounded before or while they are parsed, and refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.datasets import parsing
from core.datasets.csv_boxes import read_box_csv
from core.datasets.discovery import lists_box
from core.datasets.parsing import read_json, read_lines, read_rows, read_text, read_xml, read_yaml
from core.datasets.photo_index import PhotoIndex
from core.datasets.reading import root_tag
from core.datasets.report import ReadReport
from core.datasets.voc import read_voc
from core.errors import DatasetError

BOX = '{"image_id":1,"category_id":1,"bbox":[1,1,5,5]}'
MERGED = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 28))


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "file.any"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (read_json, "[" * 900_000, "at most 300,000 objects and lists"),
        (read_json, "[" * 100_000, "nested too deeply"),
        (read_json, "[" + "{}," * 400_000 + "{}]", "at most 300,000 objects and lists"),
        (
            read_json,
            '{"file_name":"a","annotations":[' + ",".join([BOX] * 120_000) + "]}",
            "120,000 of 1 photo",
        ),
        (
            read_json,
            '{"imagePath":"a","shapes":['
            + ",".join(['{"label":"a","points":[[1,2],[30,40]]}'] * 400_000)
            + "]}",
            "400,000 of 1 photo",
        ),
        (read_json, "1" * 10_000, "JSON"),
        (read_xml, "<a>" * 20_000 + "</a>" * 20_000, "32 levels"),
        (read_xml, "<a>" + "".join(f"<a{number}/>" for number in range(1001)) + "</a>", "1,000 names"),
        (read_voc, "<annotation>" + "<object/>" * 100_000 + "</annotation>", "60,000 elements"),
        (read_yaml, "names: " + "[" * 1000, "16 levels"),
        (read_yaml, "names:\n" + "- " * 1000, "16 levels"),
        (read_yaml, "x: [" + "a, " * 120_000 + "]", "100,000 entries"),
        (read_yaml, "x" * (2**20 + 1), "at most 1 MiB"),
        (read_text, b"\xff\xfe\x00", "UTF-8"),
    ],
    ids=range(14),
)
def test_what_would_cost_too_much_is_refused(
    tmp_path: Path, read: Callable[[Path], object], text: str | bytes, words: str
) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        read(written(tmp_path, text))
    assert len(str(caught.value)) < 400


def test_a_csv_with_too_many_rows_of_one_photo_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "photo,x0,y0,x1,y1,category\n" + "a.jpg,1,1,5,5,s\n" * 100_001)
    with pytest.raises(DatasetError, match="of 1 photo"):
        read_box_csv(path, ReadReport(), PhotoIndex(tmp_path))


def test_yaml_is_read_as_it_is_written(tmp_path: Path) -> None:
    text = f"names: [shirt, no, on, 010, ~, 1:30:00]\ntime: 1{':59' * 100_000}\n{MERGED}"
    found = read_yaml(written(tmp_path, text))
    assert found["names"] == ["shirt", "no", "on", "010", "~", "1:30:00"]
    assert found["a27"]["<<"] == [found["a26"]] * 2, "a merge key is a key like others"


def test_texts_in_utf_16_and_with_any_line_ends_are_read(tmp_path: Path) -> None:
    assert read_json(written(tmp_path, '{"a": "ä"}'.encode("utf-16"))) == {"a": "ä"}
    assert read_lines(written(tmp_path, "a\r\n\rb\u2028c\n".encode("utf-16"))) == ["a", "", "b\u2028c"]
    assert read_lines(written(tmp_path, "")) == []


LONG = "x" * 200_000


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1\n2,3,4\n", [(2, "1", "", ""), (3, "2", "3", "")]),
        ("a,b\n\n1,2\n,\n", [(3, "1", "2", "")]),
        ('a,b\n"1\n1",2\n3,4\n', [(2, "1\n1", "2", ""), (4, "3", "4", "")]),
        ('a,b\n1,"2\n3,4\n5,6', [(2, "", "", "not closed"), (3, "3", "4", ""), (4, "5", "6", "")]),
        ('a,b\n1,"2\n3,"4",\n5,6\n', [(2, "", "", "not closed"), (3, "3", "4", ""), (4, "5", "6", "")]),
        ('a,b\n"1"x,2\n3,4\n', [(2, "1x", "2", ""), (3, "3", "4", "")]),
        (f"a,b\n1,2\n{LONG},3\n4,5\n", [(2, "1", "2", ""), (3, "", "", "131,072"), (4, "4", "5", "")]),
        (f'a,b\n1,"{LONG}"\n4,5\n', [(2, "", "", "131,072"), (3, "4", "5", "")]),
    ],
)
def test_a_line_of_a_csv_that_is_no_row_costs_itself(
    tmp_path: Path, text: str, rows: list[tuple[int, str, str, str]]
) -> None:
    found = list(read_rows(written(tmp_path, text)))
    assert [(row.line, row.cells["a"], row.cells["b"]) for row in found] == [row[:3] for row in rows]
    assert all(
        (said in row.error) if said else not row.error for row, (*_, said) in zip(found, rows, strict=True)
    )


def test_a_csv_of_nothing_but_open_quotes_is_read_in_time_linear_in_it(tmp_path: Path) -> None:
    found = list(read_rows(written(tmp_path, "a,b\n" + 'x,"y\n' * 40_001)))
    assert len(found) == 40_001 and all(row.error for row in found)


TAG = b"<annotations>"
DENSE = b" " * 900_000


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'<a b="' + b"x" * 2**22 + b'"/>', "at most 1 MiB"),
        ('<a b="'.encode("utf-16") + "x".encode("utf-16-le") * 2**22, "at most 1 MiB"),
        (b"<a>" + b"x" * 2**22 + b"</a>", "at most 1 MiB"),
        (b"<a><!--" + (DENSE + b"<") * 3 + b"--></a>", "at most 1 MiB"),
        (b"<a><![CDATA[" + (DENSE + b"<") * 3 + b"]]></a>", "at most 1 MiB"),
        (b"<a>" + b"<!---->" * 100_001 + b"</a>", "100,000 comments"),
        (b"<a>" + b"<b/>" * 500_000 + b"</a>", "500,001 and 0"),
        (b"<a>" + b"<b" + b' c=""' * 500_000 + b"/></a>", "at most 1 MiB"),
        (b"<a>" + (b"<b" + b' c=""' * 100_000 + b"/>") * 5 + b"</a>", "6 and 500,000"),
        (b"<a>" + (b"<b" + b' c=""' * 12 + b"/>") * 350_000 + b"</a>", "4,200,000"),
        (b"<!DOCTYPE a [<!ATTLIST a " + b'b CDATA "x" ' * 6000 + b"><!ATTLIST a>]><a/>", "64 KiB"),
    ],
)  # fmt: skip
def test_xml_that_costs_more_than_it_holds_is_refused_before_it_is_parsed(
    tmp_path: Path, data: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "defusedxml.ElementTree.DefusedXMLParser.feed", lambda *_: pytest.fail("it is parsed")
    )
    with pytest.raises(DatasetError, match=said):
        read_xml(written(tmp_path, data))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "latin-1"])
@pytest.mark.parametrize(
    "head", ["", '<?xml version="1.0" encoding="{}"?>\n<!DOCTYPE a [<!ATTLIST a b CDATA "x">]>']
)
def test_xml_is_read_in_the_encoding_that_it_says(tmp_path: Path, encoding: str, head: str) -> None:
    text = head.format(encoding) + "<!-- ä --><a><b>\u00fc</b></a>"
    if not head and encoding == "latin-1":
        text = text.replace("\u00fc", "u").replace("ä", "a")
    assert read_xml(written(tmp_path, text.encode(encoding))).findtext("b") in ("\u00fc", "u")


def test_a_folder_or_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Is a directory"):
        read_json(tmp_path)
    with pytest.raises(DatasetError, match="No such file"):
        read_text(tmp_path / "none")


def test_the_bound_of_a_files_size_is_checked_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing, "MOST_JSON_BYTES", 10)
    with pytest.raises(DatasetError, match="larger"):
        read_json(written(tmp_path, '{"a": [1, 2, 3, 4]}'))


@pytest.mark.parametrize(
    ("line", "is_listed"),
    [
        ("a.jpg 1,2,30,40,0", True),
        ("a.JPEG\t12.5, 3", True),
        ("1,.png.png 2,1", True),
        ("a.jpg 12", False),
        ("a.jpg 12,,-.", False),
        (".jpg " + "1" * 500_000 + "," * 500_000 + "x", False),  # hours for what goes back over the commas
        (".jpg " + "1" * 500_000 + "," * 500_000 + "1", True),
        (".jpg 1," * 150_000, False),
    ],
)
def test_a_photo_with_numbers_behind_it_is_told_in_time_linear_in_the_line(line: str, is_listed: bool):
    assert lists_box(line) == is_listed


def test_a_head_of_a_million_encodings_is_no_declaration(tmp_path: Path):
    with pytest.raises(DatasetError, match="XML is expected|at most 1 MiB"):
        read_xml(written(tmp_path, "<?xml " + 'encoding="gbk" ' * 70_000))
    assert root_tag(written(tmp_path, "<!" * 4_000)) == ""
