"""What is learned: each task turns labels into targets, logits and targets into a loss, and logits into answers."""
