# ruff: noqa: E501 - a case is read more easily in its lines than in its commas
"""Yet more data sets as people have them: names that differ in little, and what tools write beside the usual."""

from __future__ import annotations

from tests.core.store.import_cases import LINE, ONE, Case, box, coco, image, laid, voc

ODD: dict[str, Case] = {
    # names that differ in case alone
    "coco: photos that differ in case, and one that is missing": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "x.json": coco(
            [image(1, "a.jpg"), image(2, "A.jpg"), image(3, "b.jpg")], [box(), box(2, 3)])}),
        {"A.jpg": [], "a.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "coco: two names that differ in case, one photo": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "A.jpg"), image(2, "a.jpg")], [box()])}),
        {"a.jpg": []},
        ("A.jpg", "no such file"),
        whole=False,
    ),
    "coco: two names that differ in their ending, one photo": Case(
        laid({"a.jpg": 1, "x.json": coco([image(1, "a.png"), image(2, "a.jpg")], [box()])}),
        {"a.jpg": []},
        ("a.png", "no such file"),
        whole=False,
    ),
    "coco: folders that differ in case, and a photo that is missing": Case(
        laid({"Men/1.jpg": 1, "men/1.jpg": 2, "x.json": coco(
            [image(1, "men/1.jpg"), image(2, "Men/1.jpg"), image(3, "b.jpg")], [box()])}),
        {"Men/1.jpg": [], "men/1.jpg": ONE},
        ("no such file",),
        whole=False,
    ),
    "voc: photos that differ in case": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "A.xml": voc("A.jpg", ""), "a.xml": voc("a.jpg")}),
        {"A.jpg": [], "a.jpg": ONE},
    ),
    "yolo: photos that differ in case": Case(
        laid({"A.jpg": 1, "a.jpg": 2, "A.txt": "", "a.txt": LINE, "classes.txt": "shirt\n"}),
        {"A.jpg": [], "a.jpg": ONE},
    ),
}  # fmt: skip
