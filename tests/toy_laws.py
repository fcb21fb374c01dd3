"""Laws that nobody publishes: one file each, dropped into the registry to see that it suffices.

Their truths are closed forms, so what a fit of noiseless runs should give back is known.
"""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from scaling_cli import laws
from scaling_cli.laws._law import Law
from scaling_cli.vocabulary.registry import files_of

EXPERTS = '''"""A toy: size and data, and a quantity of its own that no optimum touches."""

from typing import Annotated, Any

from scaling_cli.laws._law import FLOOR_PRIOR, Absorbs, Law, derived, param, power
from scaling_cli.vocabulary.quantities import Flops, Loss, Params, Quantity, Tokens

R = Quantity("R", "experts", "experts of a mixture", "experts", aliases=("n_experts",))
Experts = Annotated[Any, R]


class ToyExperts(Law):
    """L(N, D, R) = E + A/(N^alpha R^gamma) + B/D^beta."""

    E: float = param("floor", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param(
        "coefficient of N and R",
        unit="nats/token",
        linear=True,
        absorbs=(Absorbs("N", "alpha"), Absorbs("R", "gamma")),
    )
    B: float = param(
        "coefficient of D", unit="nats/token", linear=True, absorbs=Absorbs("D", "beta")
    )
    alpha: float = param("exponent of N", starts=(0.1, 0.3, 0.6))
    beta: float = param("exponent of D", starts=(0.1, 0.3, 0.6), twin="alpha")
    gamma: float = param("exponent of R", starts=(0.05, 0.2, 0.5))

    def __call__(self, N: Params, D: Tokens, R: Experts) -> Loss:
        """Return the loss in nats/token."""
        capacity = self.A * power(N, -self.alpha) * power(R, -self.gamma)
        return self.E + capacity + self.B * power(D, -self.beta)

    @derived
    def optimal_params(self, C: Flops, R: Experts) -> Params:
        """Size of least loss at compute C = 6ND with so many experts."""
        ratio = self.alpha * self.A * R**-self.gamma / (self.beta * self.B)
        total = self.alpha + self.beta
        return ratio ** (1 / total) * (C / 6) ** (self.beta / total)

    @derived
    def optimal_tokens(self, C: Flops, R: Experts) -> Tokens:
        """Tokens of least loss at compute C = 6ND with so many experts."""
        return C / (6 * self.optimal_params(C, R))
'''

SHARES = '''"""A toy: nothing but the shares of three kinds of text, which sum to one."""

from typing import Annotated, Any

from scaling_cli.laws._law import FLOOR_PRIOR, Domain, Law, namespace, param
from scaling_cli.vocabulary.quantities import Loss, Quantity, Role


def share(symbol: str, column: str) -> Quantity:
    """Return the share of one kind of text."""
    return Quantity(
        symbol, column, f"share of {column}", "1", role=Role.SHARE, domain=Domain.SIMPLEX
    )


Web = Annotated[Any, share("r_web", "web")]
Code = Annotated[Any, share("r_code", "code")]
Books = Annotated[Any, share("r_books", "books")]


class ToyShares(Law):
    """L(r) = E + A exp(t_web r_web + t_code r_code); books are what is left."""

    E: float = param("floor", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param("coefficient", unit="nats/token", linear=True)
    t_web: float = param("effect of web", domain=Domain.REAL, starts=(-1.0, 1.0))
    t_code: float = param("effect of code", domain=Domain.REAL, starts=(-1.0, 1.0))

    def __call__(self, r_web: Web, r_code: Code, r_books: Books) -> Loss:
        """Return the loss in nats/token."""
        exp = namespace(r_web, self.t_web).exp
        return self.E + self.A * exp(self.t_web * r_web + self.t_code * r_code) + 0 * r_books
'''

PRUNED = '''"""A toy: a size, and a share of it that is pruned."""

from typing import Annotated, Any

from scaling_cli.laws._law import FLOOR_PRIOR, Absorbs, Domain, Law, namespace, param, power
from scaling_cli.vocabulary.quantities import Loss, Params, Quantity

Q = Quantity("q", "sparsity", "share of weights that is zero", "1", domain=Domain.UNIT)
Sparsity = Annotated[Any, Q]


class ToyPruned(Law):
    """L(N, q) = E + A exp(k q) / N^alpha."""

    E: float = param("floor", unit="nats/token", linear=True, prior=FLOOR_PRIOR)
    A: float = param("coefficient", unit="nats/token", linear=True, absorbs=Absorbs("N", "alpha"))
    alpha: float = param("exponent of N", starts=(0.1, 0.3, 0.6))
    k: float = param("effect of pruning", domain=Domain.REAL, starts=(0.3, 1.0))

    def __call__(self, N: Params, q: Sparsity) -> Loss:
        """Return the loss in nats/token."""
        exp = namespace(N, q, self.k).exp
        return self.E + self.A * exp(self.k * q) * power(N, -self.alpha)
'''


@dataclass(frozen=True)
class Toy:
    """A law's file, the truth that its runs follow, and where they lie.

    Parameters
    ----------
    source : str
    truth : mapping of parameter to float
    design : mapping of symbol to array
        The runs, on which every term shows.
    point : mapping of symbol to float
        Somewhere to predict at.
    """

    name: str
    source: str
    truth: Mapping[str, float]
    design: Mapping[str, np.ndarray]
    point: Mapping[str, float]

    def law(self) -> Law:
        """Return the law with its true parameters."""
        return laws.get(self.name)(**self.truth)

    def outputs(self, noise: float = 0.0) -> np.ndarray:
        """Return the losses of the runs, with noise of ln loss."""
        shaken = noise * np.random.default_rng(3).standard_normal(
            len(next(iter(self.design.values())))
        )
        return np.asarray(self.law()(**self.design), float) * np.exp(shaken)

    def table(self, path: Path, noise: float = 0.0) -> Path:
        """Write the runs as a CSV with a column of weights."""
        inputs = self.law().inputs()
        names = ["run_id", *(inputs[s].column for s in self.design), "loss", "precision"]
        rows = zip(*self.design.values(), self.outputs(noise), strict=True)
        lines = [",".join(names)]
        lines += [
            f"r{i}," + ",".join(f"{x:.17g}" for x in row) + ",2" for i, row in enumerate(rows)
        ]
        path.write_text("\n".join(lines) + "\n")
        return path


def _product(**levels: np.ndarray) -> dict[str, np.ndarray]:
    columns = np.array(list(itertools.product(*levels.values()))).T
    return dict(zip(levels, columns, strict=True))


def _experts() -> dict[str, np.ndarray]:
    grid = _product(
        N=np.geomspace(2e7, 2e9, 5), D=np.array([5.0, 20.0, 80.0]), R=np.array([1.0, 4.0, 16.0])
    )
    return grid | {"D": grid["N"] * grid["D"]}


def _shares() -> dict[str, np.ndarray]:
    steps = np.arange(5)
    kept = [(i, j, 4 - i - j) for i in steps for j in steps if i + j <= 4]
    return dict(zip(("r_web", "r_code", "r_books"), np.array(kept, float).T / 4, strict=True))


TOYS = {
    toy.name: toy
    for toy in (
        Toy(
            "toy_experts",
            EXPERTS,
            {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37, "gamma": 0.1},
            _experts(),
            {"N": 7e9, "D": 2e11, "R": 8.0},
        ),
        Toy(
            "toy_shares",
            SHARES,
            {"E": 1.7, "A": 0.9, "t_web": -0.8, "t_code": 0.6},
            _shares(),
            {"r_web": 0.6, "r_code": 0.0, "r_books": 0.4},
        ),
        Toy(
            "toy_pruned",
            PRUNED,
            {"E": 1.8, "A": 480.0, "alpha": 0.35, "k": 0.7},
            _product(N=np.geomspace(1e7, 1e10, 7), q=np.array([0.0, 0.5, 1.0])),
            {"N": 3e10, "q": 0.25},
        ),
    )
}


@contextmanager
def dropped_in(folder: Path) -> Iterator[None]:
    """Put the files of all toys into the registry: a folder of its path, no list edited."""
    with pytest.MonkeyPatch.context() as patch:
        for toy in TOYS.values():
            (folder / f"{toy.name}.py").write_text(toy.source)
        patch.setattr(laws, "__path__", [*laws.__path__, str(folder)])
        files_of.cache_clear()
        yield
    files_of.cache_clear()
