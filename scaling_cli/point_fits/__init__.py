"""Laws of points: fitting, backtesting, intervals."""
