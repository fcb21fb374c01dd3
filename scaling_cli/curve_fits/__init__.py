"""Laws of loss curves: fitting, folds, checks, the best schedule."""
