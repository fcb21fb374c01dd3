"""GPT-2 and its kin: two matrices in the feed-forward part, norms with a scale and a shift."""

from scaling_cli.architectures._architecture import Part
from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import (
    BARE,
    BIASED,
    PLAIN,
    Transformer,
    decoder,
    linear,
    sliding,
)

_FOUR = 4  # the width of a feed-forward part over that of the model, where nothing is said
_OPT_OFFSET = 2  # rows of its table of positions that no position has
_BIASES = ("qkv_bias", "out_bias", "mlp_bias")


def _gpt2(config: Config) -> Transformer:
    positions = config.size("n_positions", "n_ctx")
    biases = dict.fromkeys(_BIASES, True)
    known = {"gated": False, "norm": BIASED, "positions": positions, "kv_heads": None}
    return decoder(config, tied=True, times=_FOUR, **known, **biases)


def _gpt_bigcode(config: Config) -> Transformer:
    positions, one = config.size("n_positions"), config.flag("multi_query", True)
    known = {"gated": False, "norm": BIASED, "positions": positions, "kv_heads": 1 if one else None}
    return decoder(config, tied=True, times=_FOUR, **known, **dict.fromkeys(_BIASES, True))


def _gpt_neo(config: Config) -> Transformer:
    kinds = [each for each in config.listed("attention_types") if isinstance(each, list | tuple)]
    local = [list(names).count("local") * int(times) for names, times in kinds]
    several = [len(names) * int(times) for names, times in kinds]
    known = {
        "positions": config.size("max_position_embeddings"),
        "windows": sliding(config, sum(local) / max(sum(several), 1)),
        "out_bias": True,
        "mlp_bias": True,
    }
    return decoder(config, tied=True, times=_FOUR, gated=False, norm=BIASED, **known)


def _gptj(config: Config) -> Transformer:
    known = {"gated": False, "norm": BIASED, "norms": 1, "mlp_bias": True, "head_bias": True}
    return decoder(config, tied=False, times=_FOUR, **known)


def _gpt_neox(config: Config) -> Transformer:
    bias = config.flag("attention_bias", True)
    known = {"gated": False, "norm": BIASED, "qkv_bias": bias, "out_bias": bias, "mlp_bias": True}
    return decoder(config, tied=False, **known)


def _opt(config: Config) -> Transformer:
    before = config.flag("do_layer_norm_before", True)
    known = {
        **dict.fromkeys(_BIASES, config.flag("enable_bias", True)),
        "norm": BIASED if config.flag("layer_norm_elementwise_affine", True) else BARE,
        "final_norms": int(before and not config.flag("_remove_final_layer_norm", False)),
        "positions": config.size("max_position_embeddings") + _OPT_OFFSET,
        "others": tuple(_narrow(config)),
    }
    return decoder(config, tied=True, gated=False, **known)


def _narrow(config: Config) -> list[Part]:
    """Return what differs where the table of tokens is narrower than the model."""
    width, narrow = config.size("hidden_size"), config.optional("word_embed_proj_dim")
    if narrow in (None, width):
        return []
    less = (config.optional("vocab_size") or 0) * (narrow - width)
    through = linear("embedding", narrow, width, times=2)
    return [Part("embedding", less), through, Part("head", 0, less)]


def _bloom(config: Config) -> Transformer:
    known = {"gated": False, "norm": BIASED, "final_norms": 2, **dict.fromkeys(_BIASES, True)}
    return decoder(config, tied=True, times=_FOUR, **known)


def _falcon(config: Config) -> Transformer:
    later, heads = config.flag("new_decoder_architecture", False), config.size(*_FALCON_HEADS)
    several = config.optional("num_kv_heads", "n_head_kv") if later else None
    alone = not later and config.flag("parallel_attn", True)
    known = {
        **dict.fromkeys(_BIASES, config.flag("bias", False)),
        "kv_heads": several or (1 if config.flag("multi_query", True) and not later else heads),
        "norms": config.optional("num_ln_in_parallel_attn") or (1 if alone else 2),
    }
    return decoder(config, tied=True, times=_FOUR, gated=False, norm=BIASED, **known)


_FALCON_HEADS = ("num_attention_heads", "n_head")


def _mpt(config: Config) -> Transformer:
    bias = not config.flag("no_bias", True)
    known = {"gated": False, "norm": BIASED if bias else PLAIN, **dict.fromkeys(_BIASES, bias)}
    return decoder(config, tied=True, times=config.ratio("expansion_ratio", _FOUR), **known)


def _phi(config: Config) -> Transformer:
    known = {"gated": False, "norm": BIASED, "norms": 1, "head_bias": True}
    plain = decoder(config, tied=False, **known, **dict.fromkeys(_BIASES, True))
    normed = 4 * (plain.head or 0) if config.flag("qk_layernorm", False) else 0
    return plain.but(own_norms=normed)


def _starcoder2(config: Config) -> Transformer:
    biases = dict.fromkeys(_BIASES, config.flag("use_bias", True))
    known = {"gated": False, "norm": BIASED, "windows": sliding(config), **biases}
    return decoder(config, tied=True, **known)


NAMES = {
    "gpt2": _gpt2,
    "gpt_bigcode": _gpt_bigcode,
    "gpt_neo": _gpt_neo,
    "gptj": _gptj,
    "codegen": _gptj,
    "gpt_neox": _gpt_neox,
    "opt": _opt,
    "bloom": _bloom,
    "falcon": _falcon,
    "mpt": _mpt,
    "phi": _phi,
    "starcoder2": _starcoder2,
}
