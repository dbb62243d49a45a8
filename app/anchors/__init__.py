"""The page Anchors: K-means++ anchors fitted to an uploaded dataset."""
