"""Figures name the machine they were measured on."""

from __future__ import annotations

from benchmarks.machine import describe_machine, machine_line


def test_the_machine_is_named_with_its_cores_and_packages() -> None:
    told = describe_machine(("numpy", "no-such-package"))
    assert told["processor"]
    assert int(told["cores"]) >= 1
    assert "numpy" in told
    assert "no-such-package" not in told
    assert str(told["processor"]) in machine_line()
