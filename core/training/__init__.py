"""Recipes, losses and the Lightning modules that train the detector and the classifier."""
