"""A small object store on loopback that speaks S3: objects in memory, of one bucket or more, for one test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEYS_A_PAGE = 100
"""Of a listing; fewer than Amazon's 1,000, so that tests see several pages."""


class ObjectStore(ThreadingHTTPServer):
    """``objects`` are bytes by bucket and key (``photos/a.jpg``); ``denied`` answers 403 for such keys.

    Every bucket is there but those of ``no_buckets``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.denied: set[str] = set()
        self.no_buckets: set[str] = set()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a program that is to find it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


class _Handler(BaseHTTPRequestHandler):
    server: ObjectStore
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def log_message(self, *_: object) -> None:
        pass

    def handle_expect_100(self) -> bool:
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def _asked(self) -> tuple[str, dict[str, str]]:
        split = urlsplit(self.path)
        query = parse_qs(split.query, keep_blank_values=True)
        return unquote(split.path).lstrip("/"), {name: values[0] for name, values in query.items()}

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", headers.pop("length", str(len(body))))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        plain = b""
        while body:  # size in hex, perhaps a signature; the bytes; a line's end
            head, _, body = body.partition(b"\r\n")
            size = int(head.split(b";")[0], 16)
            if not size:
                break
            plain, body = plain + body[:size], body[size + 2 :]
        return plain

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        key, query = self._asked()
        if key in self.server.denied:
            self._refuse(403, "AccessDenied")
        elif key.partition("/")[0] in self.server.no_buckets:
            self._refuse(404, "NoSuchBucket")
        elif "list-type" in query:
            self._list(key.rstrip("/"), query)
        elif "/" not in key.rstrip("/"):
            self._answer(200)
        elif key not in self.server.objects:
            self._refuse(404, "NoSuchKey")
        else:
            data, whole = self.server.objects[key], len(self.server.objects[key])
            date = {"Last_Modified": "Wed, 01 Jan 2025 00:00:00 GMT", "ETag": '"0"'}
            asked = self.headers.get("Range")
            if asked is None:
                self._answer(200, data, length=str(whole), **date)
                return
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1 if last else None]
            if not part:
                self._refuse(416, "InvalidRange")
                return
            content = f"bytes {first}-{int(first) + len(part) - 1}/{whole}"
            self._answer(206, part, length=str(len(part)), Content_Range=content, **date)

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token", "")
        found: dict[str, int | None] = {}
        for key in sorted(self.server.objects):
            of, _, name = key.partition("/")
            if of != bucket or not name.startswith(prefix):
                continue
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                found[prefix + rest.partition(delimiter)[0] + delimiter] = None
            else:
                found[name] = len(self.server.objects[key])
        names = [name for name in sorted(found) if name > after]
        page, more = names[: min(KEYS_A_PAGE, int(query.get("max-keys", 1000)))], ""
        if len(names) > len(page):
            more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>"
        entries = "".join(
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            if found[name] is None
            else f"<Contents><Key>{escape(name)}</Key><Size>{found[name]}</Size>"
            "<LastModified>2025-01-01T00:00:00.000Z</LastModified></Contents>"
            for name in page
        )
        truncated = "true" if more else "false"
        self._answer(
            200,
            f"<ListBucketResult><Name>{bucket}</Name><KeyCount>{len(page)}</KeyCount>{more}"
            f"<IsTruncated>{truncated}</IsTruncated>{entries}</ListBucketResult>".encode(),
            Content_Type="application/xml",
        )

    def do_PUT(self) -> None:
        key, query = self._asked()
        data = self._body()
        if key in self.server.denied:
            self._refuse(403, "AccessDenied")
            return
        with self.server.lock:
            if "uploadId" in query:
                self.server.parts[query["uploadId"]][int(query["partNumber"])] = data
            else:
                self.server.objects[key] = data
        self._answer(200, ETag='"0"')

    def do_POST(self) -> None:
        key, query = self._asked()
        body = self._body()
        with self.server.lock:
            if "uploads" in query:
                id = str(len(self.server.parts))
                self.server.parts[id] = {}
                begun = "InitiateMultipartUploadResult"
                answer = f"<{begun}><UploadId>{id}</UploadId></{begun}>"
            elif "delete" in query:
                for name in [part.partition("</Key>")[0] for part in body.decode().split("<Key>")[1:]]:
                    self.server.objects.pop(f"{key.rstrip('/')}/{name}", None)
                answer = "<DeleteResult></DeleteResult>"
            else:
                parts = self.server.parts.pop(query["uploadId"])
                self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
                answer = "<CompleteMultipartUploadResult><ETag>0</ETag></CompleteMultipartUploadResult>"
        self._answer(200, answer.encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        key, query = self._asked()
        with self.server.lock:
            if "uploadId" in query:
                self.server.parts.pop(query["uploadId"], None)
            else:
                self.server.objects.pop(key, None)
        self._answer(204)


@contextmanager
def running() -> Iterator[ObjectStore]:
    """An empty object store that answers until the block ends."""
    server = ObjectStore()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
