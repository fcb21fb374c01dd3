"""A small pre-norm decoder-only transformer over bytes, as pure functions on a pytree.

RMSNorm, rotary positions, GELU, no biases; the embedding is tied to the output head, so the
parameters are the blocks, the 256-row embedding and the norm gains, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

VOCAB = 256
Params = dict[str, Any]


@dataclass(frozen=True)
class Shape:
    """What fixes a model's size: width, depth, heads and the length of its context."""

    width: int
    depth: int
    heads: int
    context: int = 128

    @property
    def params_non_embedding(self) -> int:
        """Block matrices (12 width^2 each) and norm gains, without the tied embedding."""
        return self.depth * (12 * self.width**2 + 2 * self.width) + self.width

    @property
    def params_total(self) -> int:
        """Every trained number."""
        return self.params_non_embedding + VOCAB * self.width

    @property
    def prunable(self) -> int:
        """The numbers of the block matrices: what pruning may set to zero."""
        return self.depth * 12 * self.width**2

    @property
    def flops_per_token(self) -> int:
        """Training FLOPs of a token counted by matrix product: 3 x 2 x (weights + attention).

        The scores are computed for the whole context and masked, so a token pays for all of it.
        """
        weights = self.depth * 12 * self.width**2 + VOCAB * self.width
        attention = self.depth * 2 * self.context * self.width
        return 6 * (weights + attention)


def _normal(key: jax.Array, rows: int, cols: int, scale: float) -> jax.Array:
    return scale * jax.random.normal(key, (rows, cols), jnp.float32)


def _init_block(key: jax.Array, shape: Shape) -> Params:
    w = shape.width
    keys = jax.random.split(key, 4)
    # The two matrices that write into the residual stream start smaller, so that its variance
    # does not grow with depth.
    out = w**-0.5 / (2 * shape.depth) ** 0.5
    return {
        "norm_attention": jnp.ones(w),
        "qkv": _normal(keys[0], w, 3 * w, w**-0.5),
        "mix": _normal(keys[1], w, w, out),
        "norm_mlp": jnp.ones(w),
        "up": _normal(keys[2], w, 4 * w, w**-0.5),
        "down": _normal(keys[3], 4 * w, w, out / 2),
    }


def init(shape: Shape, seed: int) -> Params:
    """Fresh parameters; the seed fixes them."""
    keys = jax.random.split(jax.random.PRNGKey(seed), shape.depth + 1)
    return {
        "embed": _normal(keys[0], VOCAB, shape.width, 0.02),
        "blocks": [_init_block(key, shape) for key in keys[1:]],
        "norm_out": jnp.ones(shape.width),
    }


def count(params: Params) -> int:
    """Numbers in a pytree."""
    return sum(int(leaf.size) for leaf in jax.tree.leaves(params))


def _prune(weights: jax.Array, sparsity: jax.Array) -> jax.Array:
    """Set the smallest in magnitude to zero; what is zero already is the smallest."""
    if weights.ndim != 2:
        return weights
    size = jnp.abs(weights)
    pruned = jnp.floor(sparsity * size.size).astype(jnp.int32)
    limit = jnp.sort(size.ravel())[jnp.maximum(pruned - 1, 0)]
    return jnp.where((size <= limit) & (pruned > 0), 0.0, weights)


@jax.jit
def prune(params: Params, sparsity: jax.Array) -> Params:
    """Set that share of each block matrix to zero, by magnitude (arXiv:1710.01878)."""
    blocks = jax.tree.map(lambda leaf: _prune(leaf, sparsity), params["blocks"])
    return params | {"blocks": blocks}


def nonzero(params: Params) -> int:
    """Numbers in a pytree that are not zero."""
    return sum(int(jnp.count_nonzero(leaf)) for leaf in jax.tree.leaves(params))


def _norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    return x * gain * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6)


def _rotation(context: int, head_width: int) -> tuple[jax.Array, jax.Array]:
    half = head_width // 2
    # Base 1000 and not 10000: the context is short, so slower angles would hardly turn.
    angles = np.arange(context)[:, None] * 1000.0 ** (-np.arange(half) / half)
    return jnp.asarray(np.cos(angles), jnp.float32), jnp.asarray(np.sin(angles), jnp.float32)


def _rotate(x: jax.Array, cos: jax.Array, sin: jax.Array) -> jax.Array:
    a, b = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def _attention(x: jax.Array, block: Params, heads: int) -> jax.Array:
    batch, length, width = x.shape
    qkv = (x @ block["qkv"]).reshape(batch, length, 3, heads, width // heads)
    q, k, v = jnp.moveaxis(qkv, (2, 3), (0, 2))
    cos, sin = _rotation(length, width // heads)
    q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
    scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) * (width // heads) ** -0.5
    mask = jnp.tril(jnp.ones((length, length), bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e9), axis=-1)
    mixed = jnp.einsum("bhqk,bhkd->bhqd", weights, v)
    return jnp.moveaxis(mixed, 1, 2).reshape(batch, length, width) @ block["mix"]


def _mlp(x: jax.Array, block: Params) -> jax.Array:
    return jax.nn.gelu(x @ block["up"]) @ block["down"]


def logits(params: Params, tokens: jax.Array, heads: int) -> jax.Array:
    """Scores of the next byte at each position of a batch of windows."""
    width = params["embed"].shape[1]
    x = params["embed"][tokens] * width**0.5
    for block in params["blocks"]:
        x = x + _attention(_norm(x, block["norm_attention"]), block, heads)
        x = x + _mlp(_norm(x, block["norm_mlp"]), block)
    return _norm(x, params["norm_out"]) @ params["embed"].T


def loss(params: Params, windows: jax.Array, heads: int) -> jax.Array:
    """Mean cross-entropy, in nats a byte, of windows of context + 1 bytes."""
    windows = windows.astype(jnp.int32)
    scores = logits(params, windows[:, :-1], heads)
    picked = jnp.take_along_axis(scores, windows[:, 1:, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(scores, axis=-1) - picked)


def accuracy(params: Params, windows: jax.Array, heads: int) -> jax.Array:
    """Share of the next bytes whose score is the highest, of windows of context + 1 bytes."""
    windows = windows.astype(jnp.int32)
    best = jnp.argmax(logits(params, windows[:, :-1], heads), axis=-1)
    return jnp.mean(best == windows[:, 1:])
