"""The page Train: a training started, watched, stopped, and those that were."""
