"""nanoGPT and litgpt: `n_layer`, `n_head`, `n_embd` without a model_type."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import BIASED, PLAIN, Transformer, decoder

_FOUR = 4
_BIASES = ("qkv_bias", "out_bias", "mlp_bias")
_NAMES = ("n_layer", "n_head", "n_embd")


def _nanogpt(config: Config) -> Transformer:
    bias, length = config.flag("bias", False), config.size("block_size")
    known = {"gated": False, "norm": BIASED if bias else PLAIN, **dict.fromkeys(_BIASES, bias)}
    plain = decoder(config, tied=True, times=_FOUR, **known)
    return plain.but(positions=length, seq_len=length)


def _litgpt(config: Config) -> Transformer:
    bias, gated = config.flag("bias", True), config.word("mlp_class_name") != "gptneoxmlp"
    scaled = config.word("norm_class_name", "layernorm") == "rmsnorm"
    plain = decoder(config, tied=False, times=_FOUR, head=config.optional("head_size"))
    head = plain.head or 0
    one = config.flag("parallel_residual", True) and config.flag("shared_attention_norm", False)
    return plain.but(
        vocabulary=config.optional("padded_vocab_size", "vocab_size"),
        kv_heads=config.optional("n_query_groups"),
        gated=gated,
        qkv_bias=config.flag("attn_bias", bias),
        out_bias=bias,
        mlp_bias=bias,
        head_bias=config.flag("lm_head_bias", False),
        norm=PLAIN if scaled else BIASED,
        norms=1 if one else 2,
        own_norms=2 * head if config.flag("norm_qk", False) else 0,
        seq_len=config.optional("block_size"),
    )


KEYS = {
    frozenset((*_NAMES, "mlp_class_name")): _litgpt,
    frozenset((*_NAMES, "block_size")): _nanogpt,
}
