"""A number per text."""
