"""A task that is defined outside minitf: the number of words of a text, as one of three ordered levels."""
