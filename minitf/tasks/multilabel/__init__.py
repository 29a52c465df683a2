"""Several labels per text, or none."""
