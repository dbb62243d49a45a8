"""Inference: detector, classifier, the labeler of both, explanations, predictions, measurement."""
