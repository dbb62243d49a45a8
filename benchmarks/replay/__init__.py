"""The queue's order replayed with known labels as the annotator; ``benchmarks.queue_order`` runs it."""
