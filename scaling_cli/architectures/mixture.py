"""Mixtures of experts: Mixtral, Qwen, OLMoE, Granite, gpt-oss, and DeepSeek with latent heads."""

from dataclasses import replace

from scaling_cli.architectures._architecture import Part
from scaling_cli.architectures._config import Config
from scaling_cli.architectures._transformer import (
    Experts,
    Transformer,
    decoder,
    linear,
    sliding,
)

_BY_TOKEN = "num_experts_per_tok"


def _mixtral(config: Config) -> Transformer:
    plain = decoder(config, tied=False, windows=sliding(config))
    return plain.but(experts=_everywhere(config, plain, "num_local_experts"))


def _everywhere(config: Config, plain: Transformer, count: str) -> Experts:
    """Return experts as wide as the feed-forward part would be, in each layer."""
    several, used = config.size(count, "num_experts"), config.size(_BY_TOKEN)
    return Experts(count=several, used=used, inner=plain.inner, layers=plain.layers)


def _olmoe(config: Config) -> Transformer:
    bias = config.flag("attention_bias", False)
    plain = decoder(config, tied=False, qkv_bias=bias, out_bias=bias)
    return plain.but(own_norms=plain.projected, experts=_everywhere(config, plain, "num_experts"))


def _granitemoe(config: Config) -> Transformer:
    bias = config.flag("attention_bias", False)
    plain = decoder(config, tied=False, qkv_bias=bias, out_bias=bias)
    return plain.but(experts=_everywhere(config, plain, "num_local_experts"))


def _qwen2_moe(config: Config) -> Transformer:
    plain = decoder(config, tied=False, qkv_bias=config.flag("qkv_bias", True))
    width = config.size("shared_expert_intermediate_size")
    return plain.but(experts=_sparse(config, plain.layers, shared=width, shared_gate=True))


def _qwen3_moe(config: Config) -> Transformer:
    bias = config.flag("attention_bias", False)
    plain = decoder(config, tied=False, qkv_bias=bias, out_bias=bias)
    normed = 2 * (plain.head or 0)
    return plain.but(own_norms=normed, experts=_sparse(config, plain.layers))


def _sparse(config: Config, layers: int, *, shared: int = 0, shared_gate: bool = False) -> Experts:
    """Return experts in every so many layers, but for those that are named as dense."""
    every, dense = config.optional("decoder_sparse_step") or 1, config.listed("mlp_only_layers")
    sparse = sum((i + 1) % every == 0 and i not in dense for i in range(layers))
    return Experts(
        count=config.size("num_experts", "num_local_experts"),
        used=config.size(_BY_TOKEN),
        inner=config.size("moe_intermediate_size"),
        layers=sparse,
        shared=shared,
        shared_gate=shared_gate,
    )


def _gpt_oss(config: Config) -> Transformer:
    bias = config.flag("attention_bias", True)
    plain = decoder(config, tied=False, qkv_bias=bias, out_bias=bias, windows=sliding(config, 0.5))
    experts = _everywhere(config, plain, "num_local_experts")
    experts = replace(experts, bias=True, router_bias=True)
    return plain.but(own_norms=plain.heads, experts=experts)  # a sink for each head


def _deepseek(config: Config) -> Transformer:
    layers, inner = config.size("num_hidden_layers"), config.optional("moe_intermediate_size")
    count, key = config.optional("n_routed_experts"), config.size("qk_nope_head_dim")
    shared = config.count("n_shared_experts") * (inner or 0)
    sparse = _sparse_after(config, layers) if count else 0
    experts = None
    if count and sparse:
        one, used = config.size("moe_intermediate_size"), config.size(_BY_TOKEN)
        experts = Experts(count=count, used=used, inner=one, layers=sparse, shared=shared)
    return decoder(
        config,
        tied=False,
        mlp_bias=config.kind == "deepseek_v2" and config.flag("mlp_bias", False),
        head=config.size("v_head_dim"),
        experts=experts,
        latent=tuple(_latent(config)),
        latent_heads=(key + config.size("qk_rope_head_dim"), config.size("v_head_dim")),
        notes=_ahead(config),
    )


def _sparse_after(config: Config, layers: int) -> int:
    """Return how many layers are sparse: after the first ones, every so many."""
    dense, every = config.count("first_k_dense_replace"), config.optional("moe_layer_freq") or 1
    return sum(i >= dense and i % every == 0 for i in range(layers))


def _latent(config: Config) -> list[Part]:
    """Return attention whose keys and values are drawn from a narrow row, in each layer."""
    width, heads = config.size("hidden_size"), config.size("num_attention_heads")
    rope, value = config.size("qk_rope_head_dim"), config.size("v_head_dim")
    key, narrow = config.size("qk_nope_head_dim"), config.size("kv_lora_rank")
    queries, asked = config.optional("q_lora_rank"), heads * (key + rope)
    bias = config.flag("attention_bias", False)
    into = [linear("attention", width, asked)]
    if queries:
        into = [
            linear("attention", width, queries, bias=bias),
            Part("norm", queries),
            linear("attention", queries, asked),
        ]
    return [
        *into,
        linear("attention", width, narrow + rope, bias=bias),
        Part("norm", narrow),
        linear("attention", narrow, heads * (key + value)),
        linear("attention", heads * value, width, bias=bias),
    ]


def _ahead(config: Config) -> tuple[str, ...]:
    """Say which layers are not counted: those that predict further tokens."""
    ahead = config.count("num_nextn_predict_layers")
    told = f"the {ahead} layer(s) that predict further tokens (num_nextn_predict_layers)"
    return (f"{told} are not counted.",) if ahead else ()


NAMES = {
    "mixtral": _mixtral,
    "olmoe": _olmoe,
    "granitemoe": _granitemoe,
    "qwen2_moe": _qwen2_moe,
    "qwen3_moe": _qwen3_moe,
    "gpt_oss": _gpt_oss,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
}
