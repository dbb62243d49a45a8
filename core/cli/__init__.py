"""What each command of ``python -m core`` does; heavy libraries are imported only where they are needed."""
