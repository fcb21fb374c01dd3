"""What an architecture holds and what a token costs: parts with weights, heads that attend."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TRAINING = 3  # times the forward pass: the backward pass is twice that (arXiv 2001.08361, 2.1)
SIX = 2 * TRAINING  # a weight is a multiplication and an addition
_TABLES = ("embedding", "position")
_SOFTMAX = 3  # FLOP for each logit (arXiv 2203.15556, appendix F)


@dataclass(frozen=True)
class Part:
    """What some layers have, each as much.

    Parameters
    ----------
    kind : str
        embedding, position, attention, mlp, experts, router, state_space, norm or head.
    params : int
        Parameters of one.
    weights : int
        Entries of the matrices that a token is multiplied with, in one.
    times : int
        How many there are.
    share : float
        How much of them a token passes through.
    """

    kind: str
    params: int
    weights: int = 0
    times: int = 1
    share: float = 1.0

    @property
    def total(self) -> int:
        """Return the parameters of all of them."""
        return self.params * self.times

    @property
    def active(self) -> int:
        """Return the parameters that a token passes through."""
        return round(self.total * self.share)


@dataclass(frozen=True)
class Heads:
    """The heads of some layers: what they compare and gather, and how far back they look."""

    layers: int
    heads: int
    key: int
    value: int
    window: int | None = None

    def cost(self, keys: float) -> float:
        """Return the FLOP of a token that attends to so many: its logits and what they gather."""
        return 2.0 * self.layers * self.heads * (self.key + self.value) * keys

    def reach(self, length: float) -> float:
        """Return to how many the last token of a sequence attends."""
        return min(length, self.window or length)

    def mean_reach(self, length: float) -> float:
        """Return the mean over the tokens of a sequence that attend to what came before only."""
        far = self.reach(length)
        return far - far**2 / (2 * length)


@dataclass(frozen=True)
class Architecture:
    """A model that was described: its parts, its heads, and what its description leaves open.

    `vocabulary` is None where the description does not say it: then only what has no embedding is
    counted. `seq_len` is the longest sequence that it was made for.
    """

    kind: str
    layers: int
    width: int
    heads: int
    vocabulary: int | None
    seq_len: int | None
    tied: bool
    parts: tuple[Part, ...]
    attention: tuple[Heads, ...] = ()
    notes: tuple[str, ...] = ()

    def _sum(self, parts: Iterable[Part], *, active: bool) -> int:
        return sum(part.active if active else part.total for part in parts)

    def params(self, *, active: bool = False) -> int | None:
        """Return the parameters, all or those of a token; None without a vocabulary."""
        return None if self.vocabulary is None else self._sum(self.parts, active=active)

    def non_embedding(self, *, active: bool = False) -> int:
        """Return the parameters without the tables of tokens and positions and without the head."""
        parts = (part for part in self.parts if part.kind not in (*_TABLES, "head"))
        return self._sum(parts, active=active)

    def of(self, *kinds: str) -> int:
        """Return the parameters of parts of these kinds."""
        return self._sum((part for part in self.parts if part.kind in kinds), active=False)

    def weights(self, *, head: bool = True) -> float:
        """Return the entries of the matrices that a token is multiplied with."""
        parts = (part for part in self.parts if head or part.kind != "head")
        return sum(part.weights * part.times * part.share for part in parts)

    @property
    def is_mixture(self) -> bool:
        """Say whether a token passes through a part of it only."""
        return any(part.share < 1 for part in self.parts)

    def training(self, length: float | None) -> dict[str, float | None]:
        """Return the FLOP of training on a token, by way of counting.

        Parameters
        ----------
        length : float, optional
            Tokens of a sequence; without it attention is not counted.

        Returns
        -------
        flop : dict
            6nd_total and 6nd_nonembed: six times the parameters (of a mixture, the active ones).
            kaplan: the second and attention to what came before. palm: six times the matrices,
            the head's too, and attention to the whole sequence. palm_causal: to what came before.
            chinchilla_f: palm, the softmax, and an embedding that is a matrix.
        """
        total, inner = self.params(active=True), self.non_embedding(active=True)
        counted: dict[str, float | None] = {
            "6nd_total": None if total is None else float(SIX * total),
            "6nd_nonembed": float(SIX * inner),
        }
        names = ("kaplan", "palm", "palm_causal", "chinchilla_f")
        if length is None and self.attention:
            return counted | dict.fromkeys(names)
        half, whole = (self._attending(length or 0.0, causal=causal) for causal in (True, False))
        counted["kaplan"] = SIX * inner + TRAINING * half
        if total is None:
            return counted | dict.fromkeys(names[1:])
        matrices = SIX * self.weights()
        softmax = sum(_SOFTMAX * h.layers * h.heads * h.reach(length or 0) for h in self.attention)
        table = 2.0 * (self.vocabulary or 0) * self.width
        counted |= {"palm": matrices + TRAINING * whole, "palm_causal": matrices + TRAINING * half}
        counted["chinchilla_f"] = matrices + TRAINING * (whole + softmax + table)
        return counted

    def inference(self, length: float | None) -> dict[str, float | None]:
        """Return the FLOP of a token that is generated, by way of counting.

        Returns
        -------
        flop : dict
            2n_total and 2n_nonembed: twice the active parameters; at_the_end: twice the matrices,
            and attention to a sequence of that length.
        """
        total, inner = self.params(active=True), self.non_embedding(active=True)
        known = total is not None and (length is not None or not self.attention)
        whole = self._attending(length or 0.0, causal=False)
        return {
            "2n_total": None if total is None else 2.0 * total,
            "2n_nonembed": 2.0 * inner,
            "at_the_end": 2 * self.weights() + whole if known else None,
        }

    def _attending(self, length: float, *, causal: bool) -> float:
        """Return the FLOP of attention of a token, forward."""
        reach = Heads.mean_reach if causal else Heads.reach
        return sum(heads.cost(reach(heads, length)) for heads in self.attention)

    def by_kind(self) -> list[dict[str, Any]]:
        """Return what each kind of part holds, and how much of it a token passes through."""
        kinds = dict.fromkeys(part.kind for part in self.parts)
        each = {kind: [part for part in self.parts if part.kind == kind] for kind in kinds}
        return [
            {
                "part": kind,
                "params": self._sum(parts, active=False),
                "active": self._sum(parts, active=True),
            }
            for kind, parts in each.items()
            if any(part.total for part in parts)
        ]
