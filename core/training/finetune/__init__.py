"""Fine-tuning: the corrections in a revision improve the champion, which it is distilled from.

``run.train_revision`` is the entry point. Nothing here decides which model serves.
"""
