"""Formats in and out: every annotation format becomes one noun, ``DetectionDataset``, and leaves from it."""
