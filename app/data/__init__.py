"""The page Data: photos in, looked through and taken away; categories, jobs and progress."""
