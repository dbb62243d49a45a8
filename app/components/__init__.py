"""What the pages' browser components share: modules joined into one, elements, and pictures as tiles."""
