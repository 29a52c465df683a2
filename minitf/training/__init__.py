"""Training in memory: the loop, the optimizer, freezing, precision, processes, and the state that resuming needs."""
