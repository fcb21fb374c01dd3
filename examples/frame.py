"""My runs are a pandas DataFrame: fit it as it is, and keep the fit for later."""

import numpy as np
import pandas as pd

import scaling_cli as sc

size, tokens = np.meshgrid(np.geomspace(1e7, 1e9, 5), np.geomspace(1e9, 1e11, 4))
noise = np.random.default_rng(0).normal(0, 0.003, size.shape)
loss = (1.8 + 480 / size**0.35 + 2000 / tokens**0.37) * np.exp(noise)
frame = pd.DataFrame({"params": size.ravel(), "tokens": tokens.ravel(), "loss": loss.ravel()})

fit = sc.fit(frame, law="chinchilla", bootstrap=200)
fit.to_json("fit.json")
again = sc.load("fit.json")

assert again.parameters == fit.parameters
print({name: f"{value:.3g}" for name, value in again.parameters.items()})
