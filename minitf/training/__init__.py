"""How it is learned: the optimizer, the loop, what is counted and what is written down."""
