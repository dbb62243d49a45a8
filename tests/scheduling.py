"""Which process of the suite runs which file, when one of them has died as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController


class FileScheduling(LoadFileScheduling):
    """A file's tests run in one process, as with ``--dist loadfile``, when another process has died as well.

    A process begins a test when it knows the next one. pytest-xdist 3.8 hands out one file at a time, after
    the death of a process also such as have no test left: who has one test only then waits for ever.
    """

    def _reschedule(self, node: WorkerController) -> None:
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)
