"""The next token of a text, after each of its tokens."""
