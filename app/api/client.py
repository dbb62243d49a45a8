"""A thin client of the API: ``Lapel("http://127.0.0.1:8501", token).label("photo.jpg")``.

It needs httpx and nothing else of Lapel, so that this file may be copied beside a script. Methods give the
API's JSON as it is; the workspace documents it under ``/api/``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

POLL_SECONDS = 1.0
ENDED = ("done", "failed", "cancelled")


class LapelApiError(Exception):
    """What the API refused: its sentence, and the HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Lapel:
    """A workspace at ``url``, acting as the person of ``token``; a context manager that closes itself.

    ``project`` is the slug of one of its projects, by default the first.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        project: str = "",
        timeout: float = 60.0,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client(timeout=timeout)
        self._base = url.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"} | ({"Lapel-Project": project} if project else {})

    def __enter__(self) -> Lapel:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Any of the API's calls: its JSON, or None where it answers nothing. Raises LapelApiError."""
        answer = self._http.request(method, self._base + path, headers=self._headers, **options)
        _check(answer)
        return answer.json() if answer.content else None

    def me(self) -> dict[str, Any]:
        """In whose name the token acts."""
        return dict(self.call("GET", "/me"))

    def label(self, photo: Path | str, threshold: float | None = None) -> dict[str, Any]:
        """A photo's garments, by the champions; nothing is stored."""
        query = {} if threshold is None else {"threshold": threshold}
        with Path(photo).open("rb") as file:
            files = {"file": (Path(photo).name, file)}
            return dict(self.call("POST", "/label", params=query, files=files))

    def add_photos(self, paths: Sequence[Path | str]) -> dict[str, Any]:
        """Import photos, annotation files or zips; ``wait_for_import`` gives the report."""
        with ExitStack() as stack:
            files = [("files", (Path(p).name, stack.enter_context(Path(p).open("rb")))) for p in paths]
            return dict(self.call("POST", "/photos", files=files))

    def wait_for_import(self, id: int, seconds: float = 3600.0) -> dict[str, Any]:
        """An import's report, once it has ended. Raises TimeoutError."""
        ends = time.monotonic() + seconds
        while (found := self.call("GET", f"/imports/{id}"))["state"] not in ENDED:
            if time.monotonic() > ends:
                raise TimeoutError(f"import {id} has not ended within {seconds:g} s")
            time.sleep(POLL_SECONDS)
        return dict(found)

    def photos(self, **wanted: Any) -> Iterator[dict[str, Any]]:
        """Stored photos, newest first: ``text``, ``annotated``, ``holdout``, ``category``."""
        offset, query = 0, {name: value for name, value in wanted.items() if value is not None}
        while found := self.call("GET", "/photos", params=query | {"offset": offset, "limit": 500})["photos"]:
            yield from found
            offset += len(found)

    def picture(self, id: int) -> bytes:
        """A stored photo's JPEG."""
        answer = self._http.get(f"{self._base}/photos/{id}/picture", headers=self._headers)
        _check(answer)
        return answer.content

    def next_task(self) -> dict[str, Any] | None:
        """The next task of the queue, leased; None where nothing is left."""
        task = self.call("POST", "/tasks/next")
        return None if task is None else dict(task)

    def annotations(self, photo: int) -> list[dict[str, Any]]:
        """All versions of a photo's annotation, the oldest first."""
        return list(self.call("GET", f"/photos/{photo}/annotations"))

    def annotate(
        self, photo: int, boxes: Sequence[Mapping[str, Any]], *, base_version: int = 0, note: str = ""
    ) -> dict[str, Any]:
        """Save a photo's next version; boxes are ``{"box": [x0, y0, x1, y1], "category": name}``."""
        body = {"boxes": list(boxes), "base_version": base_version, "note": note, "request": uuid.uuid4().hex}
        return dict(self.call("POST", f"/photos/{photo}/annotations", json=body))

    def create_revision(self, note: str = "") -> dict[str, Any]:
        """Freeze the newest annotations."""
        return dict(self.call("POST", "/revisions", json={"note": note}))

    def export(self, revision: int, out: Path | str, format: str = "coco", *, pictures: bool = False) -> Path:
        """Write a revision into a file: coco, voc, yolo or csv."""
        query: dict[str, Any] = {"format": format, "pictures": pictures}
        address = f"{self._base}/revisions/{revision}/export"
        with self._http.stream("GET", address, params=query, headers=self._headers) as answer:
            if answer.is_error:
                answer.read()
            _check(answer)
            with Path(out).open("wb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
        return Path(out)

    def train(self, kind: str, revision: int, mode: str = "quick") -> dict[str, Any]:
        """Fine-tune the champion of a kind on a revision."""
        return dict(self.call("POST", "/trainings", json={"kind": kind, "mode": mode, "revision": revision}))

    def models(self, kind: str | None = None) -> list[dict[str, Any]]:
        """All models; ``serves`` tells the champions."""
        return list(self.call("GET", "/models", params={} if kind is None else {"kind": kind}))


def _check(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        sentence = str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {answer.status_code}."
    raise LapelApiError(answer.status_code, sentence)
