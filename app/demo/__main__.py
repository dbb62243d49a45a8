"""``python -m app.demo``: the demo for stakeholders."""

from __future__ import annotations

import sys

from app.demo.launch import main

if __name__ == "__main__":
    sys.exit(main())
