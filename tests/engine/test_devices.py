"""The engine on another device than the first processor: a GPU where JAX sees one."""

import json
import os
from typing import Any

import pytest
from processes import TESTS, python

AGREE = 1e-9

# Another process: this one's JAX is held to the processor. Without a GPU, a second device made of
# the same processor shows that nothing is tied to the first. The threads of `solve` see a default
# device only if it is set for the whole process.
PROGRAM = """
import json
import jax
import numpy as np
from tables import table
from scaling_cli import laws
from scaling_cli.vocabulary.objective import Objective
from scaling_cli.engine.solve import solve
from scaling_cli.engine.starts import starts
from scaling_cli.search.optimum import make_problem

try:
    other = jax.devices("gpu")[0]
except RuntimeError:
    other = jax.devices("cpu")[1]
points = table("chinchilla", noise=0.005, seed=3)
problem = make_problem(points, laws.get("chinchilla"), Objective())
noise = np.random.default_rng(0).standard_normal((100, len(points)))
output = points.output * np.exp(0.005 * noise)
begin = np.repeat(starts(problem)[:1], 100, axis=0)
found = []
for device in (jax.devices("cpu")[0], other):
    jax.config.update("jax_default_device", device)
    solution = solve(problem, begin, output=output)
    assert np.all(solution.converged)
    found.append((solution.value, problem.log_predictions(solution.u)))
values, predictions = zip(*found)
print(json.dumps({
    "platform": other.platform,
    "device": other.id,
    "values": float(np.max(np.abs(values[1] / values[0] - 1))),
    "predictions": float(np.max(np.abs(predictions[1] - predictions[0]))),
}))
"""


@pytest.fixture(scope="module")
def other() -> dict[str, Any]:
    """How far 100 refits of noisy data differ between the processor and another device."""
    environment = {name: v for name, v in os.environ.items() if name != "JAX_PLATFORMS"}
    environment |= {
        "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    done = python("-c", PROGRAM, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_refits_on_another_device_agree(other: dict[str, Any]) -> None:
    assert (other["platform"], other["device"]) != ("cpu", 0)
    assert other["values"] <= AGREE
    assert other["predictions"] <= AGREE


def test_refits_on_a_gpu_agree(other: dict[str, Any]) -> None:
    if other["platform"] != "gpu":
        pytest.skip("JAX sees no GPU here")
    assert other["values"] <= AGREE
    assert other["predictions"] <= AGREE
