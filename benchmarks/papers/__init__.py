"""The two papers' experiments, each by one command: ``python -m benchmarks.papers ablation``, and so on."""
