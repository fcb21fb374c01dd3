"""The YAML of OLMo, whose gated part is as wide as both of its halves."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import BARE, BIASED, PLAIN, Transformer, decoder

_FOUR = 4
_BIASES = ("qkv_bias", "out_bias", "mlp_bias")


def _olmo(config: Config) -> Transformer:
    width, bias = config.size("d_model"), config.flag("include_bias", True)
    gated = "glu" in config.word("activation_type", "swiglu")
    both = config.optional("mlp_hidden_size") or round(config.ratio("mlp_ratio", _FOUR) * width)
    one = 1 if config.flag("multi_query_attention", False) else None
    rotary = config.flag("rope", False) or config.flag("alibi", False)
    scaled = config.flag("layer_norm_with_affine", True)
    shifted = config.flag("bias_for_layer_norm", bias) and "rms" not in config.word(
        "layer_norm_type"
    )
    length = config.optional("max_sequence_length")
    known = {
        "inner": both // 2 if gated else both,
        "vocabulary": config.optional("embedding_size", "vocab_size"),
        "gated": gated,
        "norm": (BIASED if shifted else PLAIN) if scaled else BARE,
        "seq_len": length,
        "tied": config.flag("weight_tying", True),
        "kv_heads": config.optional("n_kv_heads") or one,
        "positions": 0 if rotary else config.size("max_sequence_length"),
        **dict.fromkeys(_BIASES, bias),
    }
    plain = decoder(config, tied=True, times=_FOUR).but(**known)
    normed = config.flag("attention_layer_norm", False)
    return plain.but(own_norms=plain.projected * plain.norm if normed else 0)


KEYS = {frozenset(("d_model", "n_layers", "n_heads", "activation_type")): _olmo}
