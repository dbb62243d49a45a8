"""The page Data: stored photos, imports, categories, jobs, annotation progress and revisions."""
