"""Addresses: a folder, memory, and an object store on loopback are read and written alike."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from core.addresses import Address, AddressError, is_address
from core.errors import NotFoundError
from tests.object_store import ObjectStore


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An empty place of each kind."""
    if request.param == "s3":
        request.getfixturevalue("s3")
    name = uuid.uuid4().hex
    places = {"folder": str(tmp_path / name), "file": f"file://{tmp_path / name}/"}
    return Address.of({**places, "memory": f"memory://{name}", "s3": f"s3://bucket/{name}/"}[request.param])


def test_what_is_written_is_there_whole_and_named(address: Address) -> None:
    assert list(address.names()) == []
    for name in ("b.jpg", "a/two #2.jpg", "a/deep/x.jpg", ".hidden", ".git/x.jpg"):
        address.write(name, name.encode())
    address.write("b.jpg", b"another")
    assert sorted(address.names()) == ["a/deep/x.jpg", "a/two #2.jpg", "b.jpg"]
    assert list(address.names("a/deep")) == ["x.jpg"]
    assert (address.read("b.jpg"), address.read("b.jpg", 3)) == (b"another", b"ano")
    assert address.read("a/two #2.jpg") == b"a/two #2.jpg"


def test_what_is_not_there_and_what_is_empty(address: Address) -> None:
    with pytest.raises(NotFoundError, match=r"There is no file none\.jpg at"):
        address.read("none.jpg")
    address.write("empty", b"")
    assert address.read("empty", 10) == b""
    assert not address.is_file()
    assert Address.of(f"{address.url}/empty").is_file()
    parent, name = Address.of(f"{address.url}/empty").parent()
    assert (parent.read(name), name) == (b"", "empty")


def test_many_keys_come_in_several_pages(s3: ObjectStore) -> None:
    s3.objects |= {f"bucket/photos/{number:04d}.jpg": b"x" for number in range(350)}
    assert list(Address.of("s3://bucket/photos/").names()) == [f"{number:04d}.jpg" for number in range(350)]


def test_large_objects_come_through(s3: ObjectStore) -> None:
    data = bytes(range(256)) * 2**16
    Address.of("s3://bucket/run").write("large", data)
    assert s3.objects["bucket/run/large"] == data


def test_what_is_closed_or_unknown_is_a_sentence(s3: ObjectStore) -> None:
    s3.objects["bucket/a.jpg"] = b"x"
    s3.denied |= {"bucket/a.jpg"}
    with pytest.raises(AddressError, match=r"s3://bucket/a\.jpg cannot be used: "):
        Address.of("s3://bucket").read("a.jpg")
    with pytest.raises(AddressError, match=r"nowhere://x cannot be used: .*nowhere"):
        Address.of("nowhere://x")


def test_links_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "b.jpg").symlink_to(tmp_path / "a.jpg")
    assert list(Address.of(str(tmp_path)).names()) == ["a.jpg"]


@pytest.mark.parametrize("text", ["photos", "/srv/photos", "C:/photos", "a:b.jpg", "./s3:/x"])
def test_paths_are_no_addresses(text: str) -> None:
    assert not is_address(text)
