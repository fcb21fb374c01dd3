"""FLOP by way of counting, against closed forms and published tables."""

from typing import Any

import pytest
from architecture_configs import CONFIGS

from scaling_cli.architectures import Architecture, architecture

# Chinchilla's table A4: layers, width, heads, its parameters, its FLOP over 6 N (2203.15556).
CHINCHILLA = [
    (10, 640, 10, 73_825_280, "1.03"),
    (20, 1024, 16, 305_707_008, "1.10"),
    (24, 1280, 10, 552_604_160, "1.08"),
    (26, 1792, 14, 1_143_453_696, "1.04"),
    (28, 2048, 16, 1_593_126_912, "1.03"),
    (40, 3584, 28, 6_796_274_688, "0.99"),
]
TABLE, LENGTH = 32000, 2048


def gpt2(layers: int, width: int, heads: int, **said: Any) -> Architecture:
    sizes = {"n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": LENGTH}
    return architecture({"model_type": "gpt2", **sizes, "vocab_size": TABLE, **said})


@pytest.mark.parametrize(("layers", "width", "heads", "params", "printed"), CHINCHILLA)
def test_appendix_f_of_chinchilla(
    layers: int, width: int, heads: int, params: int, printed: str
) -> None:
    cost = gpt2(layers, width, heads).training(LENGTH)["chinchilla_f"] or 0
    # The appendix line by line: one sequence, forward, and twice that backward.
    s, d, v = LENGTH, width, TABLE
    layer = 2 * 3 * s * d * d + 2 * s * s * d + 3 * heads * s * s + 2 * s * s * d + 2 * s * d * d
    layer += 2 * s * (d * 4 * d + d * 4 * d)
    assert cost * s == 3 * (2 * s * v * d + layers * layer + 2 * s * d * v)
    # Its table leaves out the embedding and the logits that the text counts.
    assert f"{3 * layers * layer / s / (6 * params):.2f}" == printed


def test_kaplan_and_palm_write_the_same_attention_with_and_without_the_mask() -> None:
    # Kaplan's table 1: 2 N + 2 n_layer n_ctx d_attn forward; PaLM's appendix B: 6 N + 12 L H Q T.
    model = gpt2(12, 768, 12, vocab_size=50257)
    cost = model.training(1024)
    inner, head = model.non_embedding(), 50257 * 768
    matrices = 12 * 12 * 768**2 + head
    assert cost["kaplan"] == 3 * (2 * inner + 2 * 12 * 1024 * 768)
    assert cost["palm"] == 6 * matrices + 12 * 12 * 12 * 64 * 1024
    assert cost["palm_causal"] == 6 * matrices + 6 * 12 * 12 * 64 * 1024
    assert (cost["6nd_total"], cost["6nd_nonembed"]) == (6 * (model.params() or 0), 6 * inner)


def test_palm_540b() -> None:
    # PaLM's table 1: 118 layers, width 18432, 48 heads of 256 with one for keys: 540.35B.
    said = {"hidden_size": 18432, "num_hidden_layers": 118, "num_attention_heads": 48}
    said |= {"num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 4 * 18432}
    model = architecture(
        {"model_type": "llama", **said, "vocab_size": 256000, "tie_word_embeddings": True}
    )
    assert f"{(model.params() or 0) / 1e9:.2f}" == "540.36"  # 540.35 and its norms
    formula = 6 * 540.35e9 + 12 * 118 * 48 * 256 * 2048
    assert model.training(2048)["palm"] == pytest.approx(formula, rel=1e-4)


@pytest.mark.parametrize(
    ("key", "share"), [("6nd_nonembed", "0.60"), ("6nd_total", "0.87"), ("palm", "1.00")]
)
def test_how_far_the_ways_are_apart_on_gpt2(key: str, share: str) -> None:
    cost = architecture(CONFIGS["gpt2"]).training(1024)
    assert f"{(cost[key] or 0) / (cost['palm'] or 1):.2f}" == share


def test_a_window_costs_what_its_tokens_see() -> None:
    wide, near = (
        architecture({**CONFIGS["mistral-7b"], "sliding_window": window}) for window in (None, 100)
    )
    (heads,) = near.attention
    # The t-th token of 1,000 sees min(t, 100) before it: the mean by counting.
    assert heads.mean_reach(1000) == pytest.approx(
        sum(min(t + 0.5, 100) for t in range(1000)) / 1000, abs=1e-2
    )
    assert heads.reach(1000) == 100
    costs = [model.training(1000)["palm"] or 0 for model in (wide, near)]
    assert costs[0] - costs[1] == 12 * 32 * 32 * 128 * 900
    assert wide.training(100) == near.training(100)  # a shorter sequence has no window


def test_layers_of_two_kinds_are_told_apart() -> None:
    def windows(name: str, **said: Any) -> list[tuple[int, int | None]]:
        return [(h.layers, h.window) for h in architecture({**CONFIGS[name], **said}).attention]

    assert windows("gpt-neo-125m") == [(6, 256), (6, None)]
    assert windows("gemma-2-2b") == [(13, 4096), (13, None)]
    assert windows("gemma-3-1b") == [(22, 512), (4, None)]
    assert windows("gpt-oss-20b") == [(12, 128), (12, None)]
    assert windows("command-r7b") == [(24, 4096), (8, None)]
    assert windows("qwen2-7b", sliding_window=4096) == [(28, None)]
    asked = {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 20}
    assert windows("qwen2-7b", **asked) == [(8, 4096), (20, None)]
    listed = ["full_attention", "sliding_attention"] * 16
    assert windows("olmo-3-7b", layer_types=listed) == [(16, 4096), (16, None)]


def test_latent_heads_cost_their_own_widths() -> None:
    model = architecture(CONFIGS["deepseek-v3"])
    (heads,) = model.attention
    assert (heads.key, heads.value, heads.heads) == (192, 128, 128)
    palm = model.training(4096)["palm"] or 0
    assert palm - 6 * model.weights() == 6 * 61 * 128 * (192 + 128) * 4096


def test_a_mixture_costs_what_a_token_passes_through() -> None:
    model = architecture(CONFIGS["mixtral-8x7b"])
    assert model.training(None)["6nd_total"] == 6 * 12_879_925_248
    dense = architecture({**CONFIGS["mixtral-8x7b"], "num_experts_per_tok": 8})
    assert dense.training(None)["6nd_total"] == 6 * 46_702_792_704


def test_a_generated_token_costs_the_forward_pass() -> None:
    model = architecture(CONFIGS["llama-2-7b"])
    cost, training = model.inference(4096), model.training(4096)
    assert cost["at_the_end"] == (training["palm"] or 0) / 3
    assert (cost["2n_total"], cost["2n_nonembed"]) == (2 * 6738415616, 2 * model.non_embedding())


def test_without_a_length_attention_is_not_made_up() -> None:
    cost = architecture(CONFIGS["llama-2-7b"]).training(None)
    assert {name for name, value in cost.items() if value is None} == {
        *("kaplan", "palm", "palm_causal", "chinchilla_f")
    }
    assert None not in architecture(CONFIGS["mamba-130m"]).training(None).values()
