"""Speed, memory and quality beside the reference, in alternating runs; records under `results/`."""
