"""Object stores for fsspec by Arrow's clients: Amazon's S3 and what speaks like it, and Google's."""

from __future__ import annotations

import os
from typing import Any

from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import fs

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Where an S3 lies that is not Amazon's: the first that is set."""


class ObjectStore(ArrowFSWrapper):
    """Keys in buckets; there are no folders, so that none are made."""

    root_marker = ""
    cachable = False

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing: a key needs no folder above it."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """An object's bytes, or those from ``start`` to before ``end``."""
        if start or (end is not None and end < 0):
            return bytes(super().cat_file(path, start, end))
        with self.fs.open_input_stream(self._strip_protocol(path), compression=None) as stream:
            return bytes(stream.read(end))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write an object, which is there once all of it is."""
        with self.fs.open_output_stream(self._strip_protocol(path), compression=None) as stream:
            stream.write(value)


class S3(ObjectStore):
    """``s3://bucket/key``, with the AWS variables: credentials, region, and the endpoint of another S3."""

    protocol = "s3"

    def __init__(self, **options: Any) -> None:
        endpoint = next(filter(None, map(os.environ.get, ENDPOINT_VARIABLES)), None)
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if endpoint and not region:
            region = "us-east-1"  # else Arrow asks Amazon
        super().__init__(
            fs.S3FileSystem(endpoint_override=endpoint, region=region, allow_delayed_open=True), **options
        )


class GS(ObjectStore):
    """``gs://bucket/key``, with Google's default credentials."""

    protocol = "gs"

    def __init__(self, **options: Any) -> None:
        super().__init__(fs.GcsFileSystem(), **options)
