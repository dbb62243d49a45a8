"""The page Anchors: fitted to a revision's or a dataset's boxes, and studied."""
