"""The page Annotate: one photo after the other, corrected, reviewed, merged."""
