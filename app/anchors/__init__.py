"""The page Anchors: fitted to a revision's or a data set's boxes, and studied."""
