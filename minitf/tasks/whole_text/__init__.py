"""Shared by the tasks that predict one thing for a whole text, or pair of texts: a class, a set of labels, a number."""
