"""The published curves of Luo et al. (other people's data): schedules as text, and a reader."""

from pathlib import Path

import numpy as np
from tables import rows

from scaling_cli.runs.curves import Curve
from scaling_cli.schedules import parse_schedule

SCHEDULES = {
    "constant_24000": "constant:peak=0.0003,warmup=2159,steps=24000",
    "constant_72000": "constant:peak=0.0003,warmup=2159,steps=72000",
    "cosine_24000": "wsd:peak=0.0003,warmup=2159,stable=2160,decay=cosine,min=3e-05,steps=24000",
    "cosine_72000": "wsd:peak=0.0003,warmup=2159,stable=2160,decay=cosine,min=3e-05,steps=72000",
    "wsd_20000_24000": "wsd:peak=0.0003,warmup=2159,stable=20000,decay=exponential,min=3e-05,"
    "steps=24000",
    "wsdcon_18": "step:peak=0.0003,warmup=2159,at=8000,to=0.00018,steps=16000",
    "wsdcon_3": "step:peak=0.0003,warmup=2159,at=8000,to=3e-05,steps=16000",
    "wsdcon_9": "step:peak=0.0003,warmup=2159,at=8000,to=9e-05,steps=16000",
    "wsdld_20000_24000": "wsd:peak=0.0003,warmup=2159,stable=20000,min=3e-05,steps=24000",
}
FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")
HELD_OUT = tuple(name for name in SCHEDULES if name not in FITTED)
BRANCHES = {
    "wsd_20000_24000": 20000,
    "wsdld_20000_24000": 20000,
    "wsdcon_3": 8000,
    "wsdcon_18": 8000,
}


def curve(shared: Path, name: str) -> Curve:
    """Return one of the curves of the 25M model."""
    logged = rows(shared / f"data/multipowerlaw/runs_25M/{name}.csv")
    step, loss = (np.array([float(r[c]) for r in logged]) for c in ("step", "loss"))
    return Curve(name, parse_schedule(SCHEDULES[name]), step, loss)
