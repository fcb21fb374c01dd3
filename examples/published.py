"""What does a published law say of my budget? Certified fits need no data and no network."""

from scaling_cli.artefacts import kinds
from scaling_cli.artefacts.fit import Fit

fit = kinds.load("chinchilla/besiroglu-2024", Fit)
budget = 1e24  # FLOP
print(fit.law.formula())
print(f"N* = {fit.law.optimal_params(C=budget):.3g} parameters")
print(f"D* = {fit.law.optimal_tokens(C=budget):.3g} tokens")
print(f"loss = {fit.law.optimal_loss(C=budget):.3f} nats/token")
