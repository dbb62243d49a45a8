"""Annotation formats: all are read into one ``DetectionDataset``, and written from it."""
