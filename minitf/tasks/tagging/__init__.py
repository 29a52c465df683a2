"""A tag per word, such as the parts of named entities."""
