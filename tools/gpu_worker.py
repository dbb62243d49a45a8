"""One training of two: ``python -m tools.gpu_worker MODULE DEADLINE ARGUMENTS``.

Importing PyTorch takes seconds, and ``--seconds`` counts from after that; so it is worked out here, from the
deadline in seconds since the epoch, when the module has been imported.
"""

from __future__ import annotations

import importlib
import sys
import time


def main() -> None:
    """Import the module, then call its ``main`` with what time is left."""
    name, deadline, *arguments = sys.argv[1:]
    module = importlib.import_module(name)
    sys.argv = [name, *arguments, "--seconds", f"{float(deadline) - time.time():.1f}"]
    module.main()


if __name__ == "__main__":
    main()
