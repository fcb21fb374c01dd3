"""GPT-NeoX: arguments as Megatron's, but for names of its own (`pos_emb`, `no_weight_tying`)."""

from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import (
    BIASED,
    PLAIN,
    Experts,
    Transformer,
    decoder,
    learned_positions,
)

_FOUR = 4
_NAMES = ("num_layers", "hidden_size", "num_attention_heads")


def _neox(config: Config) -> Transformer:
    attention = config.flag("use_bias_in_attn_linear", True)
    shifted = config.word("norm", "layernorm") == "layernorm"
    gated = "glu" in config.word("activation")
    width, layers = config.size("hidden_size"), config.size("num_layers")
    known = {
        "vocabulary": config.optional("padded_vocab_size", "vocab_size"),
        "kv_heads": config.optional("num_kv_heads"),
        "gated": gated,
        "inner": config.optional("intermediate_size") or _FOUR * width,
        "qkv_bias": attention,
        "out_bias": attention,
        "mlp_bias": config.flag("use_bias_in_mlp", config.word("mlp_type") != "llama"),
        "norm": BIASED if shifted and config.flag("use_bias_in_norms", True) else PLAIN,
        "positions": learned_positions(config, "pos_emb"),
        "seq_len": config.optional("seq_length", "max_position_embeddings"),
        "tied": not config.flag("no_weight_tying", False),
    }
    plain = decoder(config, tied=True, times=_FOUR).but(**known)
    count = config.optional("moe_num_experts")
    if count is None or count == 1:
        return plain
    every = config.optional("moe_expert_interval") or 1
    used, sparse = config.optional("moe_top_k") or 1, layers // every
    experts = Experts(count=count, used=used, inner=plain.inner, layers=sparse)
    return plain.but(experts=experts)


KEYS = {
    frozenset((*_NAMES, "pos_emb")): _neox,
    frozenset((*_NAMES, "no_weight_tying")): _neox,
}
