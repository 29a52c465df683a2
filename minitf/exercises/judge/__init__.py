"""The judge of the exercises: call a learner's function and the correct one, compare, and explain the difference."""
