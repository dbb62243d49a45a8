"""Training: datasets, transforms, losses, recipes and Lightning modules of both models."""
