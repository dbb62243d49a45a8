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
        (read_json, "[" * 900_000, "most of them empty"),
        (read_json, "[" * 100_000, "nested too deeply"),
        (read_json, "[" + "{}," * 400_000 + "{}]", "most of them empty"),
        (
            read_json,
            '{"file_name":"a","annotations":[' + ",".join([BOX] * 120_000) + "]}",
            "120,000 of 1 photo",
        ),
        (read_json, "1" * 10_000, "JSON"),
        (read_xml, "<a>" * 20_000 + "</a>" * 20_000, "32 levels"),
        (read_voc, "<annotation>" + "<object/>" * 100_000 + "</annotation>", "60,000 elements"),
        (read_yaml, "names: " + "[" * 1000, "16 levels"),
        (read_yaml, "names:\n" + "- " * 1000, "16 levels"),
        (read_yaml, "x: [" + "a, " * 120_000 + "]", "100,000 entries"),
        (read_yaml, "x" * (2**20 + 1), "at most 1 MiB"),
        (read_text, b"\xff\xfe\x00", "UTF-8"),
    ],
    ids=range(12),
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
    assert list(read_rows(written(tmp_path, "a,b\n1\n2,3,4\n"))) == [
        {"a": "1", "b": ""},
        {"a": "2", "b": "3"},
    ]


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
    with pytest.raises(DatasetError, match="XML is expected"):
        read_xml(written(tmp_path, "<?xml " + 'encoding="gbk" ' * 70_000))
    assert root_tag(written(tmp_path, "<!" * 4_000)) == ""
