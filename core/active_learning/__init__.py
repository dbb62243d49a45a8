"""Active learning: uncertainty and diversity sampling, label issues, and the ranking of the queue."""
