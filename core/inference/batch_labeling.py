"""Bulk inference without the store: photos at one address to Parquet and JSON lines at another.

A run is planned once, as shards of some photos. A shard is labeled as a whole: its parts are written, then
its record, which makes it done. A run that is cut off anywhere goes on with the shards that have no record,
so that each photo has exactly one row, whoever labels, and however often. At ``out`` are::

    manifest.json                 what came of it, once all is done
    parquet/part-00000.parquet    a row a photo
    jsonl/part-00000.jsonl        a line a photo, as ``core label`` prints it
    run/plan.json                 what is to be done, written after run/photos
    run/photos/00000.json         the photos of each shard
    run/done/00000.json           the record of each shard that is done
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from core.addresses import Address, AddressError
from core.errors import LapelError, NotFoundError, PhotoError
from core.images.containers import KINDS_IN_WORDS, PHOTO_SUFFIXES
from core.images.decode import MAX_BYTES, read_photo
from core.threads import parallel_map

if TYPE_CHECKING:
    from core.inference.labeler import PhotoLabeler

FORMATS = ("parquet", "jsonl")
SHARD_PHOTOS = 1000
READ_AT_ONCE = 8
"""Photos, or records, that are fetched at a time: an object store answers late, but many at once."""

RETRY_SECONDS = (1.0, 5.0, 20.0)
"""Pauses before a photo is asked for again, where its address cannot be reached."""

MOST_FAILURES = 10_000
"""That the manifest tells with their reasons; all are rows."""

NEIGHBORS = 8
"""Other shards that are looked into where none of a shard's photos can be read."""

PLAN = "run/plan.json"
Record = dict[str, Any]


@dataclass(frozen=True)
class BatchPlan:
    """What a run is to do.

    ``models`` has name and digest (SHA-256) of the weights by kind; ``passed_over`` counts the files below
    ``source`` that are no photos by their names.
    """

    source: str
    threshold: float
    models: Mapping[str, Mapping[str, str]]
    formats: tuple[str, ...]
    shard_photos: int
    commit: str | None = None
    photos: int = 0
    passed_over: int = 0
    id: str = ""  # of the run, once its photos are listed

    def __post_init__(self) -> None:
        if not self.formats or set(self.formats) - set(FORMATS):
            raise LapelError(f"expected formats out of {', '.join(FORMATS)}, got {', '.join(self.formats)!r}")
        if self.shard_photos < 1:
            raise LapelError(f"expected at least one photo a shard, got {self.shard_photos}")

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.photos // self.shard_photos)

    def require_same(self, other: BatchPlan, out: str) -> None:
        """Raises LapelError where another run was begun at ``out``; of the commit nothing is asked."""
        for name in ("source", "threshold", "models", "formats", "shard_photos"):
            was, now = getattr(self, name), getattr(other, name)
            if was != now:
                raise LapelError(
                    f"{out} holds a run with another {name.replace('_', ' ')} ({_short(was)}), expected "
                    f"{_short(now)}: give this run another --out"
                )


@dataclass(frozen=True)
class BatchRun:
    """A planned run at an address; several processes may label shards of it at a time."""

    plan: BatchPlan
    out: Address

    @classmethod
    def begin(cls, plan: BatchPlan, out: Address) -> BatchRun:
        """The run that was begun at ``out``, or a new one whose photos are listed now.

        Raises LapelError where another run was begun there, or there is no photo at the source.
        """
        try:
            begun = cls.at(out)
        except NotFoundError:
            return cls(_list_photos(plan, out), out)
        begun.plan.require_same(plan, out.url)
        return begun

    @classmethod
    def at(cls, out: Address) -> BatchRun:
        """The run that was begun at an address. Raises NotFoundError where there is none."""
        entry = json.loads(out.read(PLAN))
        names = {field.name for field in fields(BatchPlan)}
        given = {name: value for name, value in entry.items() if name in names}
        return cls(BatchPlan(**{**given, "formats": tuple(given["formats"])}), out)

    def records(self) -> dict[int, Record]:
        """The records of the shards that are done, by shard."""
        numbers = [int(name[:-5]) for name in self.out.names("run/done") if name[:-5].isdecimal()]
        with closing(parallel_map(numbers, self.record, READ_AT_ONCE)) as found:
            return {number: record for number, record in zip(numbers, found, strict=True) if record}

    def photos_of(self, shard: int) -> list[str]:
        """The names of a shard's photos, from the source on."""
        return list(json.loads(self.out.read(f"run/photos/{shard:05d}.json")))

    def label_shard(
        self,
        shard: int,
        labeler: PhotoLabeler,
        on_photo: Callable[[], object] = lambda: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Record | None:
        """Label a shard, and write its parts and its record; None, and nothing is written, if cancelled.

        A photo that cannot be read is a row with its error. Raises AddressError where the source, or ``out``,
        cannot be reached, or the source does not show the run's photos here: then nothing is recorded.
        """
        source, rows, unread = _source(self.plan.source), list[dict[str, Any]](), set[str]()
        if source.folder is not None and not source.folder.is_dir():
            raise AddressError(f"{self.plan.source} cannot be used: there is no such folder on this machine.")

        def fetch(name: str) -> tuple[str, bytes | LapelError]:
            data = _fetched(source, name)
            if isinstance(data, LapelError):
                unread.add(name)
            return name, data

        def label(fetched: tuple[str, bytes | LapelError]) -> dict[str, Any]:
            return _row(*fetched, labeler, self.plan.threshold)

        # The inner one ends last: the threads of the outer one take from it.
        with (
            closing(parallel_map(self.photos_of(shard), fetch, READ_AT_ONCE)) as photos,
            closing(parallel_map(photos, label)) as labeled,
        ):
            for row in labeled:
                rows.append(row)
                on_photo()
                if is_cancelled():
                    return None
        if len(unread) == len(rows) and not self._is_visible(source, shard):
            raise AddressError(
                f"{self.plan.source} cannot be used: none of the {len(rows):,} photos of shard {shard} can "
                "be read there, nor others of the run"
            )
        record = {"shard": shard, **_counts(rows), "files": self._write_parts(shard, rows)}
        self.out.write(f"run/done/{shard:05d}.json", _json(record))
        return record

    def finish(self) -> dict[str, Any]:
        """Write the manifest, and return it. Raises LapelError where a shard is not done."""
        records = self.records()
        missing = self.plan.shards - len(records)
        if missing:
            raise LapelError(f"expected all shards of {self.out.url} to be done, {missing} are not")
        done = [records[shard] for shard in sorted(records)]
        failures = [failure for record in done for failure in record["failures"]]
        totals = {name: sum(record[name] for record in done) for name in ("labeled", "failed", "garments")}
        manifest = {
            **asdict(self.plan),
            "formats": list(self.plan.formats),
            "out": self.out.url,
            **totals,
            "seconds": round(sum(record["seconds"] for record in done), 3),
            "failures": failures[:MOST_FAILURES],
            "failures_left_out": max(0, len(failures) - MOST_FAILURES),
            "shards": [{name: record[name] for name in ("shard", "photos", "files")} for record in done],
        }
        self.out.write("manifest.json", _json(manifest, indent=1))
        return manifest

    def record(self, shard: int) -> Record | None:
        """A shard's record; None for none, and for one that was cut off where writes are not whole."""
        try:
            record = json.loads(self.out.read(f"run/done/{shard:05d}.json"))
        except (NotFoundError, ValueError):
            return None
        return record if isinstance(record, dict) and shard < self.plan.shards else None

    def _is_visible(self, source: Address, shard: int) -> bool:
        """Whether a photo of some other shard can be read: then those of this one were really removed."""
        others = [number for number in range(self.plan.shards) if number != shard]
        for other in others[:: max(1, len(others) // NEIGHBORS)]:
            names = self.photos_of(other)
            if any(isinstance(_fetched(source, name), bytes) for name in {names[0], names[-1]}):
                return True
        return False

    def _write_parts(self, shard: int, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        written = []
        for format in self.plan.formats:
            name = f"{format}/part-{shard:05d}.{format}"
            data = _parquet(rows, self.plan) if format == "parquet" else b"".join(map(_json, rows))
            self.out.write(name, data)
            digest = hashlib.sha256(data).hexdigest()
            written.append({"name": name, "bytes": len(data), "sha256": digest, "rows": len(rows)})
        return written


def _list_photos(plan: BatchPlan, out: Address) -> BatchPlan:
    """Write each shard's photos, then the plan with their number, which begins the run."""
    photos, passed_over, shard = 0, 0, list[str]()

    def write() -> None:
        out.write(f"run/photos/{(photos - 1) // plan.shard_photos:05d}.json", _json(shard))
        shard.clear()

    for name in _names(plan.source, out):
        if PurePosixPath(name).suffix.lower() not in ("", *PHOTO_SUFFIXES):
            passed_over += 1
            continue
        photos += 1
        shard.append(name)
        if len(shard) == plan.shard_photos:
            write()
    if shard:
        write()
    if not photos:
        found = f"{passed_over:,} other files" if passed_over else "nothing"
        raise LapelError(f"expected photos ({KINDS_IN_WORDS}) at {plan.source}, got {found} there")
    plan = replace(plan, photos=photos, passed_over=passed_over, id=uuid.uuid4().hex[:12])
    out.write(PLAN, _json(asdict(plan), indent=1))
    return plan


def _names(source: str, out: Address) -> Iterator[str]:
    """The files at the source, without those of the run itself where it lies within."""
    address = Address.of(source)
    if address.is_file():
        yield address.parent()[1]
        return
    own = out.path[len(address.path) :].lstrip("/") + "/"
    is_within = out.path.startswith(f"{address.path}/")
    yield from (name for name in address.names() if not (is_within and name.startswith(own)))


def _source(text: str) -> Address:
    """Where the photos of a plan lie: the folder of a single file."""
    address = Address.of(text)
    return address.parent()[0] if address.is_file() else address


def _fetched(source: Address, name: str) -> bytes | LapelError:
    """A photo's bytes, or why there are none; an address that is away is asked again."""
    for seconds in (*RETRY_SECONDS, None):
        try:
            return source.read(name, MAX_BYTES + 1)
        except NotFoundError:
            return PhotoError("There is no such file any more.")
        except AddressError as error:
            if source.folder is not None:  # one file of a disk: the others may be fine
                return PhotoError(f"The file cannot be read: {getattr(error.__cause__, 'strerror', error)}.")
            if seconds is None:
                raise
            time.sleep(seconds)
    raise AssertionError("unreachable")


def _row(name: str, data: bytes | LapelError, labeler: PhotoLabeler, threshold: float) -> dict[str, Any]:
    """A photo's line, as ``core label`` prints it, under its name from the source on."""
    started = time.perf_counter()
    try:
        if isinstance(data, LapelError):
            raise data
        photo = replace(read_photo(data, name), name=name)
    except LapelError as error:
        return {"photo": name, "error": str(error)}
    decoding = time.perf_counter() - started
    found = labeler.label(photo, threshold)
    return replace(found, photo=name, seconds=found.seconds + decoding).as_dict()


def _counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    failures = [dict(row) for row in rows if "error" in row]
    return {
        "photos": len(rows),
        "labeled": len(rows) - len(failures),
        "failed": len(failures),
        "garments": sum(len(row.get("garments", ())) for row in rows),
        "seconds": round(sum(row.get("seconds", 0.0) for row in rows), 3),
        "failures": failures,
    }


def _json(value: object, indent: int | None = None) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace") + b"\n"  # names that are no UTF-8: JSON's own escapes


def _parquet(rows: Sequence[Mapping[str, Any]], plan: BatchPlan) -> bytes:
    """The rows as a Parquet file: pairs of a name and a number are structs, what a row has not is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def scored(name: str, value: str) -> Any:
        return pa.struct([(name, pa.string()), (value, pa.float64())])

    garment = pa.struct(
        [
            ("box", pa.list_(pa.float64())),
            ("category", pa.string()),
            ("score", pa.float64()),
            ("top5", pa.list_(scored("label", "probability"))),
            ("detector", scored("category", "score")),
            ("classifier", scored("label", "probability")),
        ]
    )
    columns = [
        ("photo", pa.string()),
        ("error", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("seconds", pa.float64()),
        ("models", pa.struct([("detector", pa.string()), ("classifier", pa.string())])),
        ("garments", pa.list_(garment)),
    ]
    schema = pa.schema(columns, metadata={"lapel": json.dumps(asdict(plan))})
    table = pa.Table.from_pylist([_columns_of(row) for row in rows], schema=schema)
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row["photo"].encode("utf-8", "backslashreplace").decode()
    garments = row.get("garments")
    return {**row, "photo": name, "garments": None if garments is None else [*map(_structs, garments)]}


def _structs(garment: Mapping[str, Any]) -> dict[str, Any]:
    labels = [{"label": label, "probability": value} for label, value in garment["top5"]]
    alone = dict(garment, top5=labels)
    for model, names in (("detector", ("category", "score")), ("classifier", ("label", "probability"))):
        said = garment.get(model)
        alone[model] = None if said is None else dict(zip(names, said, strict=True))
    return alone


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
