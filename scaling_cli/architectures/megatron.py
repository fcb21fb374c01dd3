"""Megatron-LM and Megatron-DeepSpeed: the arguments of a run, in its log or a file."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import (
    BIASED,
    PLAIN,
    Experts,
    Transformer,
    decoder,
    learned_positions,
)
from scaling_cli.vocabulary.errors import DataError

_FOUR = 4
_ROUNDED_TO = 64  # by Megatron, the width of a gated part that is not stated
_BIASES = ("qkv_bias", "out_bias", "mlp_bias")


def _megatron(config: Config) -> Transformer:
    if config.flag("multi_latent_attention", False) or config.listed("moe_layer_freq"):
        what = "multi_latent_attention, or moe_layer_freq as a list,"
        told = f"{what} of Megatron's arguments is not counted here."
        raise DataError(told, file=config.file or None, hint="Give the config.json of the model.")
    gated = config.flag("swiglu", False) or config.word("glu_activation", "none") != "none"
    bias = config.flag("add_bias_linear", not config.flag("disable_bias_linear", False))
    layers, width = config.size("num_layers"), config.size("hidden_size")
    known = {
        "inner": config.optional("ffn_hidden_size") or _inner(width, gated=gated),
        "gated": gated,
        "vocabulary": config.optional("padded_vocab_size", "vocab_size"),
        "head": config.optional("kv_channels"),
        "kv_heads": _groups(config),
        **dict.fromkeys(_BIASES, bias),
        "qkv_bias": bias or config.flag("add_qkv_bias", False),
        "norm": PLAIN if config.word("normalization", "layernorm") == "rmsnorm" else BIASED,
        "final_norms": 2 if config.flag("embed_layernorm", False) else 1,
        "positions": learned_positions(config, "position_embedding_type"),
        "seq_len": config.optional("seq_length", "max_position_embeddings"),
        "tied": not config.flag("untie_embeddings_and_output_weights", False),
    }
    plain = decoder(config, tied=True, times=_FOUR).but(**known)
    normed = 2 * plain.norm * (plain.head or width // plain.heads)
    own = normed if config.flag("qk_layernorm", False) else 0
    return plain.but(own_norms=own, experts=_experts(config, plain, layers))


def _inner(width: int, *, gated: bool) -> int:
    if not gated:
        return _FOUR * width
    return int(_FOUR * width * 2 / 3 / _ROUNDED_TO) * _ROUNDED_TO


def _groups(config: Config) -> int | None:
    """Return the heads of keys and values: fewer than the others only where that is asked for."""
    asked = config.flag("group_query_attention", config.has("num_key_value_heads"))
    return config.optional("num_query_groups", "num_key_value_heads") if asked else None


def _experts(config: Config, plain: Transformer, layers: int) -> Experts | None:
    """Return the experts of a mixture."""
    count = config.optional("num_experts", "num_moe_experts")
    if count is None or count == 1:
        return None
    every = config.optional("moe_layer_freq") or 1
    return Experts(
        count=count,
        used=config.optional("moe_router_topk", "topk") or 2,
        inner=config.optional("moe_ffn_hidden_size") or plain.inner,
        layers=sum(i % every == 0 for i in range(layers)),
        shared=config.count("moe_shared_expert_intermediate_size"),
        bias=plain.mlp_bias,
    )


KEYS = {frozenset(("num_layers", "hidden_size", "num_attention_heads")): _megatron}
