"""Will a larger run be worth it? Fit small runs, forecast a larger one, with its interval."""

import scaling_cli as sc

runs = sc.read("data/ladder/runs.csv")
fit = sc.fit(runs, law="chinchilla", where='role == "fit"')
forecast = fit.predict(N="2M", D="30M")
low, high = forecast.new_run

print(f"loss {forecast.value[0]:.3f}, 90 % of new runs in [{low[0]:.3f}, {high[0]:.3f}]")
print(f"{forecast.extrapolation['C'][0]:.0f} times the compute of the largest fitted run")
for check in fit.checks:
    if check.level != "pass":
        print(f"{check.level}: {check.message}")
