"""Hernandez's effective data of pre-training: what it is worth in tokens of the other domain."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np

from scaling_cli.laws._law import Law, param, power
from scaling_cli.vocabulary.quantities import Params, Quantity, Tokens

T = Quantity(
    "D_T", "transferred_tokens", "tokens of the new domain that pre-training replaces", "tokens"
)
Transferred = Annotated[Any, T]


class Transfer(Law):
    """D_T = k D_F^alpha N^beta (Hernandez et al. 2021, arXiv:2102.01293).

    D_F, the tokens of fine-tuning, is D here; N excludes embeddings.
    """

    question = "data: repeated, other words, other domains"
    reference = "arXiv:2102.01293"
    bibtex = """@article{hernandez2021scaling,
  title={Scaling Laws for Transfer},
  author={Hernandez, Danny and Kaplan, Jared and Henighan, Tom and McCandlish, Sam},
  journal={arXiv:2102.01293}, year={2021}}"""
    convention = {"N": "non_embedding"}

    k: float = param("constant", unit="tokens")
    alpha: float = param("exponent of the tokens of fine-tuning")
    beta: float = param("exponent of size")

    def __call__(self, N: Params, D: Tokens) -> Transferred:
        """Return the tokens that pre-training is worth."""
        return self.k * power(D, self.alpha) * power(N, self.beta)

    @classmethod
    def starts(cls, inputs: Mapping[str, Any], output: Any) -> Iterator[dict[str, float]]:
        """Yield least squares on logarithms."""
        n, d, y = (np.log(np.asarray(v, float)) for v in (inputs["N"], inputs["D"], output))
        columns = np.stack([np.ones_like(n), d - d.mean(), n - n.mean()], axis=1)
        middle, a, b = np.linalg.lstsq(columns, y, rcond=None)[0].tolist()
        alpha, beta = max(a, 1e-3), max(b, 1e-3)
        k = float(np.exp(middle - alpha * d.mean() - beta * n.mean()))
        yield {"k": k, "alpha": alpha, "beta": beta}
