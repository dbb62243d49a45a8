"""Which photo teaches most: what the models are unsure of, what is new, what may be wrong, in one order."""
