"""What makes data and weights and is not needed to run Lapel."""
