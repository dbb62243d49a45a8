"""The page Attention: heat maps of the detector and of the classifier."""
