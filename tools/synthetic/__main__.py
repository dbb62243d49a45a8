"""``python -m tools.synthetic``: draw a dataset, from the shell."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.errors import LapelError
from tools.synthetic import KINDS, draw_dataset


def main(arguments: list[str] | None = None) -> int:
    """Draw the photos that the arguments ask for; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.synthetic", description="Draw clothing photos with boxes."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for photos/ and train.json")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="default: any")
    given = parser.parse_args(arguments)

    def show(done: int, total: int, message: str = "") -> None:
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    try:
        draw_dataset(given.out, given.count, given.seed, kind=given.kind, progress=show)
    except LapelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
