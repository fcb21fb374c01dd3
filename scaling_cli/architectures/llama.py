"""Llama and its kin: a gated feed-forward part, norms with a scale, heads that share keys."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import (
    BARE,
    BIASED,
    PLAIN,
    Transformer,
    decoder,
    sliding,
)

_GEMMA_HEAD = 256
_QWEN3_HEAD = 128


def _llama(config: Config, *, tied: bool = False) -> Transformer:
    bias = config.flag("attention_bias", False)
    known = {"qkv_bias": bias, "out_bias": bias, "mlp_bias": config.flag("mlp_bias", False)}
    return decoder(config, tied=tied, **known)


def _smollm3(config: Config) -> Transformer:
    return _llama(config, tied=True)


def _mistral(config: Config) -> Transformer:
    return decoder(config, tied=False, windows=sliding(config))


def _qwen2(config: Config) -> Transformer:
    return decoder(config, tied=False, qkv_bias=True, windows=_late(config))


def _late(config: Config) -> tuple[tuple[int, int], ...]:
    """Return the layers with a window: those from the one on that is named, if any is wanted."""
    layers = config.size("num_hidden_layers")
    first = config.count("max_window_layers", layers)
    share = max(layers - first, 0) / layers
    return sliding(config, share) if config.flag("use_sliding_window", False) else ()


def _qwen3(config: Config) -> Transformer:
    bias, head = config.flag("attention_bias", False), config.optional("head_dim") or _QWEN3_HEAD
    known = {"qkv_bias": bias, "out_bias": bias, "head": head, "own_norms": 2 * head}
    return decoder(config, tied=False, windows=_late(config), **known)


def _gemma(config: Config) -> Transformer:
    bias, head = config.flag("attention_bias", False), config.optional("head_dim") or _GEMMA_HEAD
    return decoder(config, tied=True, qkv_bias=bias, out_bias=bias, head=head)


def _gemma2(config: Config) -> Transformer:
    return _gemma(config).but(norms=4, windows=sliding(config, 0.5))


def _gemma3(config: Config) -> Transformer:
    every = config.optional("sliding_window_pattern", "_sliding_window_pattern") or 6
    layers, plain = config.size("num_hidden_layers"), _gemma(config)
    near = (layers - layers // every) / layers
    return plain.but(norms=4, own_norms=2 * (plain.head or 0), windows=sliding(config, near))


def _olmo(config: Config) -> Transformer:
    return _llama(config).but(norm=BARE)


def _olmo2(config: Config) -> Transformer:
    plain = _llama(config).but(windows=sliding(config, 0.75))
    return plain.but(own_norms=plain.projected)


def _stablelm(config: Config) -> Transformer:
    plain = decoder(config, tied=False, qkv_bias=config.flag("use_qkv_bias", False), norm=BIASED)
    normed = plain.projected if config.flag("qk_layernorm", False) else 0
    return plain.but(
        own_norms=normed, norms=1 if config.flag("use_parallel_residual", False) else 2
    )


def _cohere(config: Config) -> Transformer:
    plain = _llama(config, tied=True).but(norms=1, norm=PLAIN)
    return plain.but(own_norms=plain.projected if config.flag("use_qk_norm", False) else 0)


def _cohere2(config: Config) -> Transformer:
    return _llama(config, tied=True).but(norms=1, windows=sliding(config, 0.75))


def _nemotron(config: Config) -> Transformer:
    return _llama(config).but(gated=False, norm=BIASED)


NAMES = {
    "llama": _llama,
    "mistral": _mistral,
    "phi3": _mistral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3_text": _gemma3,
    "olmo": _olmo,
    "olmo2": _olmo2,
    "olmo3": _olmo2,
    "stablelm": _stablelm,
    "granite": _llama,
    "cohere": _cohere,
    "cohere2": _cohere2,
    "nemotron": _nemotron,
    "smollm3": _smollm3,
}
