"""A decoder in terms that most architectures share: what its layers hold, in closed form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scaling_cli.architectures._architecture import Architecture, Heads, Part
from scaling_cli.architectures._config import Config
from scaling_cli.vocabulary.errors import DataError

PLAIN, BIASED, BARE = 1, 2, 0  # arrays of a norm: a scale, a scale and a shift, none


def linear(
    kind: str, inputs: int, outputs: int, *, bias: bool = False, times: int = 1, share: float = 1.0
) -> Part:
    """Return a matrix, and the bias that goes with it."""
    return Part(kind, inputs * outputs + outputs * bias, inputs * outputs, times, share)


@dataclass(frozen=True, kw_only=True)
class Experts:
    """The experts of a mixture: how many there are, how many a token is sent to.

    Parameters
    ----------
    layers : int
        Layers that have them; the others are dense.
    inner, shared : int
        Width of one, and of what every token passes through beside them.
    bias, router_bias, shared_gate : bool
    """

    count: int
    used: int
    inner: int
    layers: int
    shared: int = 0
    bias: bool = False
    router_bias: bool = False
    shared_gate: bool = False


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """A decoder.

    Parameters
    ----------
    layers, width, heads : int
    inner : int
        Width of the feed-forward part.
    vocabulary : int or None
    kv_heads, head : int, optional
        Heads of keys and values, and the width of a head. Default: one for each, width / heads.
    gated : bool
        Whether the feed-forward part has a gate: three matrices, not two.
    qkv_bias, out_bias, mlp_bias, head_bias : bool
    norms : int
        Of a layer, as wide as the model.
    norm : int
        Arrays of each: 1 a scale, 2 with a shift, 0 none.
    own_norms : int
        Parameters of what else a layer norms: queries and keys.
    final_norms : int
    positions : int
        Rows of the table of positions.
    seq_len : int, optional
    windows : tuple of (layers, window)
        Layers that look back so far only.
    latent : tuple of Part
        Attention in place of the usual one, as it is in each layer.
    latent_heads : tuple of (key, value), optional
        Widths of a head of it.
    others : tuple of Part
        What else there is.
    notes : tuple of str
        What is to be said of the count.
    """

    layers: int
    width: int
    heads: int
    inner: int
    vocabulary: int | None
    tied: bool
    kv_heads: int | None = None
    head: int | None = None
    gated: bool = True
    qkv_bias: bool = False
    out_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    norms: int = 2
    norm: int = PLAIN
    own_norms: int = 0
    final_norms: int = 1
    positions: int = 0
    seq_len: int | None = None
    experts: Experts | None = None
    windows: tuple[tuple[int, int], ...] = ()
    latent: tuple[Part, ...] = ()
    latent_heads: tuple[int, int] | None = None
    others: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()

    def counted(self, kind: str) -> Architecture:
        """Return its parts and heads."""
        return Architecture(
            kind=kind,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            vocabulary=self.vocabulary,
            seq_len=self.seq_len,
            tied=self.tied,
            parts=tuple(part for part in self._parts() if part.params or part.weights),
            attention=tuple(self._heads()),
            notes=self.notes,
        )

    def but(self, **said: Any) -> "Transformer":
        """Return the same, but for what is said."""
        return replace(self, **said)

    @property
    def _head(self) -> int:
        return self.head or self.width // self.heads

    @property
    def projected(self) -> int:
        """Return the width of all queries and keys of a token."""
        return (self.heads + (self.kv_heads or self.heads)) * self._head

    def _parts(self) -> Iterator[Part]:
        vocabulary = self.vocabulary or 0
        yield Part("embedding", vocabulary * self.width)
        yield Part("position", self.positions * self.width)
        yield from (replace(p, times=self.layers) for p in self.latent or self._attention())
        yield from self._feed_forward()
        per_layer = self.norms * self.norm * self.width + self.own_norms
        yield Part("norm", per_layer, times=self.layers)
        yield Part("norm", self.final_norms * self.norm * self.width)
        yield from self.others
        table = vocabulary * self.width
        yield Part("head", table * (not self.tied) + vocabulary * self.head_bias, table)

    def _attention(self) -> Iterator[Part]:
        out, pairs = self.heads * self._head, (self.kv_heads or self.heads) * self._head
        yield linear("attention", self.width, out, bias=self.qkv_bias)
        yield linear("attention", self.width, 2 * pairs, bias=self.qkv_bias)
        yield linear("attention", out, self.width, bias=self.out_bias)

    def _feed_forward(self) -> Iterator[Part]:
        dense = self.layers - (self.experts.layers if self.experts else 0)
        yield replace(self._mlp("mlp", self.inner, bias=self.mlp_bias), times=dense)
        if self.experts is None:
            return
        e = self.experts
        one = self._mlp("experts", e.inner, bias=e.bias)
        yield replace(one, times=e.layers * e.count, share=e.used / e.count)
        yield linear("router", self.width, e.count, bias=e.router_bias, times=e.layers)
        if e.shared:
            yield replace(self._mlp("mlp", e.shared, bias=self.mlp_bias), times=e.layers)
            yield replace(linear("router", self.width, e.shared_gate), times=e.layers)

    def _mlp(self, kind: str, inner: int, *, bias: bool = False) -> Part:
        into = 1 + self.gated
        matrices = (into + 1) * self.width * inner
        return Part(kind, matrices + bias * (into * inner + self.width), matrices)

    def _heads(self) -> Iterator[Heads]:
        key, value = self.latent_heads or (self._head, self._head)
        for layers, window in self.windows:
            yield Heads(layers, self.heads, key, value, window)
        whole = self.layers - sum(layers for layers, _ in self.windows)
        if whole:
            yield Heads(whole, self.heads, key, value)


_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "n_embed")
_HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
_LEARNED = ("learned", "learned_absolute", "absolute", "positionembeddingtype.absolute")
_LENGTHS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


def decoder(config: Config, *, tied: bool, times: float = 0, **said: Any) -> Transformer:
    """Return a decoder whose sizes go by the usual names.

    Parameters
    ----------
    config : Config
    tied : bool
        Whether its head is its embedding where nothing is said.
    times : float
        The feed-forward part's width over that of the model where it is not stated; 0: it must be.
    **said
        What `Transformer` is to be beside that.
    """
    width, heads = config.size(*_WIDTHS), config.size(*_HEADS)
    inner = config.optional(*_INNER) if times else config.size(*_INNER)
    usual = {
        "layers": config.size(*_LAYERS),
        "inner": inner or round(times * width),
        "vocabulary": config.optional("vocab_size"),
        "kv_heads": config.optional("num_key_value_heads"),
        "seq_len": config.optional(*_LENGTHS),
        "tied": config.flag("tie_word_embeddings", tied),
    }
    head = said.pop("head", None) or config.optional("head_dim") or shared(width, heads, config)
    return Transformer(**{"width": width, "heads": heads, "head": head, **usual, **said})


def shared(width: int, heads: int, config: Config) -> int:
    """Return the width of a head where heads share the width of the model.

    Raises
    ------
    DataError
        If it cannot be shared so.
    """
    if width % heads:
        told = f"a width of {width} cannot be shared by {heads} heads."
        raise DataError(told, file=config.file or None, hint="Check both, or state head_dim.")
    return width // heads


def learned_positions(config: Config, name: str) -> int:
    """Return the rows of the table of positions; none where they are turned or not told."""
    turned = config.flag("use_rotary_position_embeddings", False)
    learned = config.word(name, "learned") in _LEARNED and not turned
    return config.size("max_position_embeddings", "seq_length") if learned else 0


def sliding(config: Config, of_layers: float = 1.0) -> tuple[tuple[int, int], ...]:
    """Return the layers that look back over a window only, if one is stated.

    Parameters
    ----------
    config : Config
    of_layers : float
        How many of them, where the layers are not listed.
    """
    window, layers = config.optional("sliding_window", "window_size"), config.size(*_LAYERS)
    listed = config.listed("layer_types")
    count = sum("sliding" in str(kind) for kind in listed) if listed else int(layers * of_layers)
    return ((min(count, layers), window),) if window and count else ()
