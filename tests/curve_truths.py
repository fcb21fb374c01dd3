"""Parameters of every law of loss curves, and curves made from them."""

import numpy as np

from scaling_cli import curve_laws
from scaling_cli.curve_laws._curve_law import CurveLaw
from scaling_cli.engine.curve_coordinates import coordinates
from scaling_cli.engine.curves import CurveProblem
from scaling_cli.runs.curve import Curve
from scaling_cli.schedules import parse_schedule
from scaling_cli.schedules._path import Path

LOSS = 3.5
SCALES = {"area": 1500.0, "N": 2e7}
BACKBONE = {"L0": 3.0, "A": 20.0, "alpha": 0.5}
TRUTHS = {
    "annealing": {**BACKBONE, "C": 4e-4, "forget": 3e-3},
    "annealing_size": {**BACKBONE, "C": 1e-4, "forget": 3e-3, "B": 5.0, "beta": 0.3, "gamma": 0.1},
    "area_exponential": {**BACKBONE, "B": 0.12, "C": 0.012},
    "forward_momentum": {**BACKBONE, "C": 0.05},
    "functional": {**BACKBONE, "B": 0.03, "c": 5.0, "C": 0.13, "beta": 0.33},
    "multi_power": {**BACKBONE, "B": 0.15, "C": 0.06, "beta": 0.25, "gamma": 0.8},
    "power_area": BACKBONE,
    "power_steps": BACKBONE,
}
TEXTS = {
    "constant": "constant:peak=0.001,warmup=100,steps=3000",
    "cosine": "cosine:peak=0.001,warmup=100,min=0.0001,steps=3000",
    "wsd": "wsd:peak=0.001,warmup=100,stable=2000,steps=3000",
    "linear": "linear:peak=0.001,warmup=100,steps=4000",
}


def made(law: str, name: str, noise: float = 0.0) -> Curve:
    """Return a curve of a law with the parameters of TRUTHS, for rates over their peak."""
    schedule = parse_schedule(TEXTS[name])
    step = np.arange(100, int(schedule.length), 50)
    path = Path.of(schedule, step, warmup=curve_laws.get(law).warmup, unit=0.001)
    loss = curve_laws.get(law)(**TRUTHS[law]).curve(path)
    off = np.random.default_rng(len(name)).standard_normal(len(step))
    return Curve(name, schedule, step, loss * np.exp(noise * off))


def problem(law: type[CurveLaw]) -> CurveProblem:
    """Return runs of three sizes and schedules, each with as many points as it has steps / 50."""
    paths = []
    for size, text in zip((1e7, 2e7, 3e7), ("cosine", "wsd", "linear"), strict=True):
        schedule = parse_schedule(TEXTS[text])
        step = np.arange(100, int(schedule.length), 50)
        path = Path.of(schedule, step, unit=0.001, params=size if law.sized else None)
        paths.append(law.prepared(path).compressed())
    k, losses = len(law.parameters()), [np.full(len(path.step), LOSS) for path in paths]
    scales = SCALES if law.sized else {"area": SCALES["area"]}
    return CurveProblem(law, paths, losses, 1e-3, np.zeros((k, 2)), np.ones(k, bool), scales)


def sensed(name: str) -> np.ndarray:
    """Return residuals and derivatives of a law at its truth, twice: the second call is bound."""
    law = curve_laws.get(name)
    work = problem(law)
    u = coordinates(law(**TRUTHS[name]), work.scales)
    return np.stack([work.sensing(u), work.sensing(u + 1e-3)])
