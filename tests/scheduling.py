"""Which process of the suite runs which file, when one of them has died as well."""

from __future__ import annotations

from contextlib import suppress
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.workermanage import WorkerController


class FileScheduling(LoadFileScheduling):
    """A file's tests run in one process, as with ``--dist loadfile``, when another process has died as well.

    A process begins a test when it knows the next one. pytest-xdist 3.8 hands out one file at a time, after
    the death of a process also such as have no test left: who has one test only then waits for ever.

    The test at which a process died runs once more, and fails where that one dies too. How the first ended is
    printed: Python's faults print a trace as well, a process that the system killed leaves nothing else.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self._died_at: set[str] = set()

    def remove_node(self, node: WorkerController) -> str | None:
        files = self.assigned_work[node].values()
        test = next((test for file in files for test, is_done in file.items() if not is_done), None)
        if test is None:
            return super().remove_node(node)
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        reporter.ensure_newline()
        reporter.write_line(f"{node.gateway.id} ended {_how(node)} at {test}")
        has_failed = test in self._died_at
        self._died_at.add(test)
        if has_failed:
            self.assigned_work[node][self._split_scope(test)][test] = True
        super().remove_node(node)  # puts what is not done back into the queue
        return test if has_failed else None

    def _reschedule(self, node: WorkerController) -> None:
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


def _how(node: WorkerController) -> str:
    """The exit status of a process, negative for a signal."""
    process = node.gateway._io.popen
    with suppress(TimeoutExpired):
        return f"with status {process.wait(10)}"
    return "its connection, and lives"
