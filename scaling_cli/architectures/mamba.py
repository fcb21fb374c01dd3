"""Mamba: layers that carry a state along in place of attention."""

from math import ceil

from scaling_cli.architectures._architecture import Architecture, Part
from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import linear

_SHARE = 16  # the width of the model over the rank of its step sizes, where nothing is said
_SCAN = "the scan itself, about 1 % of the FLOP, is not counted."


def _mamba(config: Config) -> Architecture:
    width, states = config.size("hidden_size", "d_model"), config.size("state_size")
    inner = config.optional("intermediate_size") or int(config.ratio("expand", 2) * width)
    bias, kernel = config.flag("use_bias", False), config.size("conv_kernel")
    rank = ceil(width / _SHARE)
    if config.word("time_step_rank", "auto") != "auto":
        rank = config.size("time_step_rank")
    convolved = Part("state_space", inner * (kernel + config.flag("use_conv_bias", True)))
    layer = [
        linear("state_space", width, 2 * inner, bias=bias),
        convolved,
        linear("state_space", inner, rank + 2 * states),
        linear("state_space", rank, inner, bias=True),
        Part("state_space", inner * states + inner),
        linear("state_space", inner, width, bias=bias),
    ]
    return _model(config, layer, width, tied=True, heads=0)


def _mamba2(config: Config) -> Architecture:
    width, states = config.size("hidden_size", "d_model"), config.size("state_size")
    inner = int(config.ratio("expand", 2) * width)
    heads, groups = config.size("num_heads"), config.optional("n_groups") or 1
    bias, kernel = config.flag("use_bias", False), config.size("conv_kernel")
    carried = inner + 2 * groups * states
    layer = [
        linear("state_space", width, inner + carried + heads, bias=bias),
        Part("state_space", carried * (kernel + config.flag("use_conv_bias", True))),
        Part("state_space", 3 * heads),
        Part("norm", inner),
        linear("state_space", inner, width, bias=bias),
    ]
    return _model(config, layer, width, tied=False, heads=heads)


def _model(
    config: Config, layer: list[Part], width: int, *, tied: bool, heads: int
) -> Architecture:
    layers = config.size("num_hidden_layers", "n_layer")
    vocabulary = config.optional("vocab_size")
    table, is_tied = (vocabulary or 0) * width, config.flag("tie_word_embeddings", tied)
    each = [Part(p.kind, p.params, p.weights, layers) for p in layer]
    norms = [Part("norm", width, times=layers), Part("norm", width)]
    parts = [Part("embedding", table), *each, *norms, Part("head", table * (not is_tied), table)]
    return Architecture(
        config.kind, layers, width, heads, vocabulary, None, is_tied, tuple(parts), (), (_SCAN,)
    )


NAMES = {"mamba": _mamba, "mamba2": _mamba2}
