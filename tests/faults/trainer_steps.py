"""``python -m tests.faults.trainer_steps WEIGHTS PIPE LIFE``: a process of steps with small trainings."""

from __future__ import annotations

import sys
from pathlib import Path

from core.jobs.step_process import main
from tests.faults.trainer import shrink

if __name__ == "__main__":
    shrink(Path(sys.argv[1]))
    main(sys.argv[2:])
