"""Training in memory: the loop, the optimizer, freezing, precision, processes, and the saved state for resuming."""
