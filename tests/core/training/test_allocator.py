"""Memory that a training uses again."""

import subprocess
import sys

import pytest

from core.training import allocator
from core.training.allocator import is_adjustable, reused_memory

FAULTS = """
import resource, torch
from core.training.allocator import reused_memory
torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(4_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

fresh = faults()
usual = faults()
with reused_memory():
    faults()
    kept = faults()
    many = [torch.ones(1_000_000) for _ in range(100)]
    full = resident()
    del many
print(fresh, usual, kept, faults(), faults(), full - resident())
"""


@pytest.mark.skipif(not is_adjustable(), reason="not glibc's malloc")
def test_tensors_find_their_memory_again_and_the_system_gets_it_back_afterwards():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    _, usual, kept, _, after, given_back = map(int, done.stdout.split())
    assert kept < 20 * 4_000_000 * 4 / 4096 / 5  # a fifth of the pages of twenty tensors
    assert after <= usual + 1_000  # as before the training
    assert given_back > 200e6  # of 400 MB


def test_without_glibc_nothing_changes(monkeypatch):
    monkeypatch.setattr(allocator, "glibc", lambda: None)
    with reused_memory():
        pass
