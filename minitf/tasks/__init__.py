"""Tasks: what a model learns to predict. Each folder contains one task; `registry` lists them."""
