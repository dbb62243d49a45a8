"""Memory that a training uses again."""

import ctypes
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


class Libc:
    """Stands in glibc's place: what it was told."""

    def __init__(self):
        self.told = []

    def mallopt(self, option, value):
        self.told.append((option, value))

    def malloc_trim(self, pad):
        self.told.append("trimmed")


def test_a_training_that_fails_gives_the_memory_back_too(monkeypatch):
    libc = Libc()
    monkeypatch.setattr(allocator, "glibc", lambda: libc)
    with pytest.raises(KeyboardInterrupt), reused_memory():
        assert libc.told == [*allocator.KEEP.items()]
        raise KeyboardInterrupt
    assert libc.told == [*allocator.KEEP.items(), *allocator.AFTERWARDS.items(), "trimmed"]


def test_without_glibc_a_training_runs_and_nothing_is_asked_of_the_system(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: pytest.fail(f"{name} was loaded"))
    assert not is_adjustable()
    ran = []
    with reused_memory():
        ran.append("a step")
    with pytest.raises(OSError, match="full"), reused_memory():
        raise OSError("the disk is full")
    assert ran == ["a step"]
