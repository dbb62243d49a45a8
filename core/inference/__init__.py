"""Models in use: detector, classifier, the labeler of both, explanations, predictions, measurements."""
