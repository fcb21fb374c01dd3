"""How flat the optimum is, against a closed form and against the loss at the ends."""

import numpy as np
import pytest
from tables import TRUTHS, truth

from scaling_cli import laws
from scaling_cli.point_fits.diagnosis.isoflop import near_optimal

C = 1e22


def test_equal_exponents_have_a_closed_form() -> None:
    # At one compute the over-training law is E + K cosh(2 eta ln(N/N*)).
    law = truth("overtraining")
    best, eta = float(law.derive("optimal_params", C=C)), TRUTHS["overtraining"]["eta"]
    least = float(law.derive("optimal_loss", C=C))
    rise = 1 + 0.005 * least / (least - TRUTHS["overtraining"]["E"])
    away = np.exp(np.arccosh(rise) / (2 * eta))
    (ends,) = near_optimal(law, C, {}, [0.005]).values()
    assert ends == pytest.approx((best / away, best * away), rel=1e-9)


def test_ends_have_the_loss_they_promise() -> None:
    law = truth("chinchilla")
    least = float(law.derive("optimal_loss", C=C))
    found = near_optimal(law, C, {})
    assert list(found) == [0.001, 0.005]
    for share, ends in found.items():
        for N in ends:
            assert float(law(N=N, D=C / (6 * N))) == pytest.approx(least * (1 + share), rel=1e-12)
    assert found[0.005][0] < found[0.001][0] < found[0.001][1] < found[0.005][1]


def test_a_surface_without_an_end_says_so() -> None:
    values = {"E": 2.0, "A": 1e-3, "B": 1e-3, "alpha": 0.3, "beta": 0.3}
    law = laws.get("chinchilla")(**values)
    assert near_optimal(law, C, {}, [0.001]) == {0.001: (0.0, np.inf)}
