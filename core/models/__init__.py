"""The two papers' models, built from small blocks, and the models they are compared with."""
