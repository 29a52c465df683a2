"""The judge of the exercises: it calls a learner's function beside the right one and says what is wrong with it."""
