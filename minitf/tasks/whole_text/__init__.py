"""What the tasks share that predict one thing for a whole text (or pair): a class, a set of labels, a number."""
