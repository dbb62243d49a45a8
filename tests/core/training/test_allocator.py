"""Memory that a training uses again."""

import subprocess
import sys

from core.training import allocator
from core.training.allocator import reused_memory

FAULTS = """
import resource, torch
from core.training.allocator import reused_memory
torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(4_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults()
with reused_memory():
    faults()
    kept = faults()
print(plain, kept, faults())
"""


def test_tensors_find_their_memory_again_and_the_system_gets_it_back_afterwards():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    plain, kept, after = map(int, done.stdout.split())
    if allocator._glibc() is not None:
        assert kept < plain / 5 and after > plain / 2


def test_without_glibc_nothing_changes(monkeypatch):
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with reused_memory():
        pass
