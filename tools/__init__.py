"""What is run by hand, once: training on a machine with a GPU, and what that needs."""
