"""Corrections become a better model: data of a revision, a recipe, a guard against forgetting, one run.

``running.train_revision`` is the way in. Nothing here chooses which model serves.
"""
