"""Hyperparameter search (Optuna) and learning curves: many runs of `fine_tuning`, compared."""
