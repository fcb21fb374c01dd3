"""How is a law of one's own fitted? As a formula, or as a Python function of the same."""

import scaling_cli as sc


@sc.law
def ours(N, D, *, E, A, alpha, B, beta):
    """L = E + A/N^alpha + B/D^beta."""
    return E + A / N**alpha + B / D**beta


fit = sc.fit("data/ladder/runs.csv", law=ours, where='role == "fit"', bootstrap=0)
print(fit.law.formula(), fit.parameters)
