"""Compute threads sleep while they wait, also in processes that are started; imports wait for each other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.threads import WAITING, let_threads_sleep
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]


def test_children_inherit_the_choice_and_a_persons_own_stays(monkeypatch):
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KMP_BLOCKTIME", "7")
    let_threads_sleep()
    code = "import os; print(os.environ['OMP_WAIT_POLICY'], os.environ['KMP_BLOCKTIME'])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["PASSIVE", "7"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks GNU's OpenMP")
@pytest.mark.parametrize(
    "launch",
    ["from core.__main__ import main", "from app.__main__ import main", "from app.demo.launch import main"],
)
def test_a_launcher_chooses_before_pytorch_loads(launch):
    """OpenMP says on stderr what it read, once it is loaded."""
    code = f"""
import sys
{launch}
sys.argv = ["lapel", "--help"]
try:
    main()
except SystemExit:
    pass
import torch
"""
    environment = {k: v for k, v in os.environ.items() if k not in WAITING} | {"OMP_DISPLAY_ENV": "TRUE"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in ran.stderr, ran.stderr[-500:]


TWO_THREADS = """
import builtins, importlib, sys, threading
from contextlib import nullcontext
from core.threads import IMPORTS

sys.path.insert(0, sys.argv[1])
guard = IMPORTS if sys.argv[2] == "locked" else nullcontext()
builtins.begun = begun = threading.Event()
failed = []

def bring(name):
    try:
        with guard:
            importlib.import_module(name)
    except Exception as error:
        failed.append(error)

first = threading.Thread(target=bring, args=("halves",))
first.start()
begun.wait()
bring("halves.other")
first.join()
print(len(failed))
"""


@pytest.mark.parametrize(("how", "failures"), [("locked", False), ("unlocked", True)])
def test_two_threads_may_import_a_package_from_two_ends_one_at_a_time(tmp_path, how, failures):
    """One thread imports a package, which imports its part; another imports the part meanwhile."""
    package = tmp_path / "halves"
    package.mkdir()
    (package / "__init__.py").write_text(
        "import time\nbegun.set()\ntime.sleep(0.3)\nready = True\nfrom halves.other import name\n"
    )
    (package / "other.py").write_text("import halves\nname = halves.ready\n")
    done = subprocess.run(
        [sys.executable, "-c", TWO_THREADS, str(tmp_path), how],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (int(done.stdout) > 0) is failures
