"""The judge of the exercises: stub."""
