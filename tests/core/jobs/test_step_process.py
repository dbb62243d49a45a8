"""Steps in processes of their own: ended by a cancellation, by limits, and with their worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.step_process import StepProcess, StepProcesses
from core.jobs.steps import JobCancelled, StepDied, StepLimits
from core.store import Store
from tests.core.jobs.hostile_steps import COMMAND, STARTED
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


@pytest.fixture
def store(fresh_store: Callable[[str], Store]) -> Store:
    """A store on SQLite: what runs where is the same with both databases."""
    return fresh_store("sqlite")


@pytest.fixture
def steps(store: Store) -> Iterator[StepProcesses]:
    """Steps of which some are hostile."""
    made = StepProcesses(store, COMMAND)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["compute", "wait"])
def test_a_cancelled_job_ends_whatever_it_does_and_another_begins(
    steps: StepProcesses, store: Store, name: str
) -> None:
    ended: list[BaseException] = []

    def run() -> None:
        try:
            steps.run("job-1", name)
        except JobCancelled as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    process = process_of_step(store)
    steps.cancel("job-1")
    thread.join(PATIENCE_SECONDS)
    assert len(ended) == 1 and is_gone(process)
    assert steps.run("job-2", "say", word="next")["word"] == "next"


def test_a_cancelled_job_begins_no_step_until_it_is_resumed(steps: StepProcesses) -> None:
    steps.cancel("job-1")
    assert steps.is_cancelled("job-1")
    with pytest.raises(JobCancelled):
        steps.run("job-1", "say", word="hello")
    steps.allow("job-1")
    assert steps.run("job-1", "say", word="hello")["word"] == "hello"


def test_a_job_has_one_process_which_ends_with_it(steps: StepProcesses) -> None:
    first, second = (steps.run("job-1", "say", word="")["process"] for _ in range(2))
    assert first == second
    steps.end("job-1")
    assert is_gone(first)
    assert steps.run("job-1", "say", word="")["process"] != first


def test_a_process_that_is_warm_takes_the_next_job_and_another_warms_up_after_it(
    steps: StepProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[StepProcess] = []
    begin = StepProcess.__init__

    def count(process: StepProcess, *arguments: object) -> None:
        begun.append(process)
        begin(process, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(StepProcess, "__init__", count)
    steps.warm_up()
    assert len(begun) == 1
    steps.run("job-1", "say", word="")
    assert len(begun) == 1
    steps.end("job-1")
    assert len(begun) == 2
    steps.run("job-2", "say", word="")
    steps.cancel("job-2")
    assert len(begun) == 3
    steps.close()
    steps.warm_up()
    assert len(begun) == 3


def test_a_step_beyond_its_limits_is_ended_and_the_job_goes_on(steps: StepProcesses) -> None:
    """The process that goes on after one harm is the one that comes to the next."""
    for name, limits, said in (
        ("compute", StepLimits(cpu_seconds=0.6), "took more than 0.01 minutes of computing"),
        ("wait", StepLimits(wall_seconds=0.0), "took longer than 0 minutes"),
        ("memory", StepLimits(memory_bytes=2**34), "needed more than 16 GiB of memory"),
        ("crash", StepLimits(), "ended the process that worked on it"),
    ):
        with pytest.raises(StepDied, match=f"^{said}$"):
            steps.run("job-1", name, limits)
        assert steps.run("job-1", "say", word="again")["word"] == "again"


def test_the_time_that_earlier_steps_took_does_not_count(steps: StepProcesses) -> None:
    for _ in range(3):  # loading the modules alone takes more than half a second
        assert steps.run("job-1", "say", StepLimits(cpu_seconds=0.5), word="hello")["word"] == "hello"


def test_an_error_is_told_as_a_sentence(steps: StepProcesses) -> None:
    assert steps.run("import-77", "import.prepare")["failed"] == "There is no such import."


def test_a_step_ends_with_its_worker_also_while_it_computes(store: Store) -> None:
    code = (
        "from core.store import Store; from core.jobs.step_process import StepProcesses;"
        "from tests.core.jobs.hostile_steps import COMMAND;"
        "StepProcesses(Store.open(), COMMAND).run('job-1', 'compute')"
    )
    url = store.database.engine.url.render_as_string(hide_password=False)
    environment = os.environ | {"LAPEL_DATABASE_URL": url, "LAPEL_DATA": str(store.folder)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment) as worker:
        process = process_of_step(store)
        worker.send_signal(signal.SIGKILL)
    until(lambda: is_gone(process))


def process_of_step(store: Store) -> int:
    """The process of the step that has just begun."""
    path = store.folder / STARTED
    until(path.exists)
    return int(path.read_text())


def is_gone(process: int) -> bool:
    """Whether a process has ended; its parent may not have taken notice yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
