"""One class per text."""
