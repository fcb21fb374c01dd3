"""The verbs of the command line in Python: one file each, with the whole decision.

A verb whose decision lies elsewhere has no file here: `sc.read` is `ingest.read`, `sc.backtest`
is `point_fits.backtesting.backtest`, `sc.intervals` is `point_fits.intervals.intervals`.
"""
