"""``python -m tests.core.jobs.hostile_steps``: a process of steps of which some never end, or end badly.

It does the usual steps as well; importing a photo whose name says so does harm.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

from core.jobs import steps
from core.jobs.step_process import main
from core.store import Store, import_step

COMMAND = (sys.executable, "-m", "tests.core.jobs.hostile_steps")
STARTED = "started"
IN_PLACE_OF = {
    "LAPEL_TEST_PREPARE": "import.prepare",
    "LAPEL_TEST_TRAIN": "train.learn",
    "LAPEL_TEST_COMPARE": "train.compare",
    "LAPEL_TEST_ORDER": "order",
}
"""Variables that name the step which is done in the place of another."""


def compute(store: Store, job: str, **_: Any) -> dict[str, Any]:
    """Hold the interpreter's lock for longer than any test waits, once a file says that it has begun."""
    tell_started(store)
    re.match(r"(a+)+$", "a" * 60 + "b")
    return {}


def wait(store: Store, job: str) -> dict[str, Any]:
    """Wait for what never comes."""
    tell_started(store)
    signal.pause()
    return {}


def tell_started(store: Store) -> None:
    """Write this process's number where a test looks for it; the file is there whole or not at all."""
    part = store.folder / "starting"
    part.write_text(str(os.getpid()))
    part.replace(store.folder / STARTED)


def take_memory(store: Store, job: str, **_: Any) -> dict[str, Any]:
    """Ask for more memory than the limit allows."""
    return {"bytes": len(bytearray(2**36))}


def crash(store: Store, job: str, **_: Any) -> dict[str, Any]:
    """End as a decoder does that writes where it may not."""
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def learn_at_once(store: Store, job: str, **_: Any) -> dict[str, Any]:
    """A training that is over as it begins."""
    return {"candidate": 1}


def compare_at_once(store: Store, job: str, candidate: int, device: str) -> dict[str, Any]:
    """A comparison that is over as it begins."""
    return {"candidate": candidate, "message": "Compared."}


def say(store: Store, job: str, word: str) -> dict[str, Any]:
    """A step as it should be; beside the answer, which process gave it."""
    print("what a step prints is no answer")
    return {"word": word, "process": os.getpid()}


def open_with_harm(path: Path) -> Any:
    """Open a photo; some that are called so end the process instead."""
    if path.name.startswith("crashes"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return opened(path)


opened = import_step.open_photo

if __name__ == "__main__":
    import_step.open_photo = open_with_harm
    steps.STEPS = dict(steps.STEPS) | {
        "compute": compute,
        "wait": wait,
        "memory": take_memory,
        "crash": crash,
        "learned": learn_at_once,
        "compared": compare_at_once,
        "say": say,
    }
    for variable, step in IN_PLACE_OF.items():
        if variable in os.environ:
            steps.STEPS[step] = steps.STEPS[os.environ[variable]]
    main(sys.argv[1:])
