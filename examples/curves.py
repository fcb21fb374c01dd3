"""Three schedules of one model are fitted; the loss under two others is predicted and compared."""

import scaling_cli as sc

FITTED, HELD_OUT = ("constant", "cosine", "wsd20"), ("wsd20sqrt", "wsd40")


def curves(names: tuple[str, ...]) -> list[sc.Curve]:
    """Return curves of the ladder's 164k model, by the name of their schedule."""
    files = [f"data/ladder/runs/schedule-164k-2.1M-{name}.csv" for name in names]
    found, _ = sc.curves_of(sc.read(*files, meta="data/ladder/runs.csv"))
    return found


fit = sc.fit_curves(curves(FITTED))
for curve in curves(HELD_OUT):
    predicted = fit.predict(curve.schedule, curve.step)
    print(
        f"{curve.run}: {predicted.value[-1]:.4f} predicted at the end "
        f"(laws between {predicted.low[-1]:.4f} and {predicted.high[-1]:.4f}), "
        f"{curve.loss[-1]:.4f} measured"
    )

schedule = sc.parse_schedule("wsd:peak=0.0047,warmup=100,stable=0.7,decay=cosine,steps=2048")
print(f"{schedule}: {fit.predict(schedule).value[-1]:.4f}")
