"""What do the verbs of the command line look like in Python? Read, fit, predict, keep."""

import scaling_cli as sc

runs = sc.read("data/ladder/runs.csv")
fit = sc.fit(runs, law="chinchilla", where='role == "fit"', bootstrap=0)
print(fit.predict(params="4M", tokens="100M"))
print(fit.predict(C=1e15))
fit.to_json("fit.json")
# In a test of your own: the same surface and an objective no worse, or an AssertionError.
sc.assert_fit_matches(fit, "chinchilla/ladder")
