"""What a figure was measured on: see :mod:`core.machine`."""

from core.machine import describe_machine, machine_line

__all__ = ["describe_machine", "machine_line"]
