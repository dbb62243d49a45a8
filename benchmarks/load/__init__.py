"""People, imports and large stores for the benchmarks: each of them a process of its own."""
