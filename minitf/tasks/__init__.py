"""Tasks: what a model learns to predict. Each folder holds one task; `registry` lists them."""
