"""A fine-tuning run, from its configuration to its folder; evaluation, prediction and pruning of saved models."""
