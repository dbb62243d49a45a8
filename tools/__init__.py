"""Tools that make data and weights; not needed to run Lapel."""
