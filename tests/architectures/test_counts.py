"""Parameters in closed form against what `transformers` counts, and against what was published."""

import json
import random
from typing import Any

import pytest
from architecture_configs import CONFIGS
from architecture_oracle import COUNTS, counted

from scaling_cli.architectures import Architecture, architecture, families, known
from scaling_cli.vocabulary.errors import DataError

RECORDED = json.loads(COUNTS.read_text("utf8"))  # transformers 5.24.0, torch 2.13.0
# As their papers, model cards and repositories print them.
PUBLISHED = {
    "gpt2": 124_439_808,
    "llama-2-7b": 6_738_415_616,
    "llama-3-8b": 8_030_261_248,
    "mixtral-8x7b": 46_702_792_704,
    "pythia-70m": 70_426_624,
    "qwen3-0.6b": 596_049_920,
    "deepseek-v2-lite": 15_706_484_224,
}
# In billions, to the digits that were published.
ACTIVE = {
    "mixtral-8x7b": "12.9",
    "mixtral-8x22b": "39.2",
    "qwen1.5-moe-a2.7b": "2.7",
    "olmoe-1b-7b": "1.3",
    "deepseek-v3": "37.6",  # published as 37
}
# Without the table of tokens and without the head: Pythia's and Qwen's cards.
NON_EMBEDDING = {"pythia-70m": 18_915_328, "pythia-160m": 85_056_000, "pythia-1.4b": 1_208_602_624}
MEGATRON = {"num_layers": 64, "hidden_size": 8192, "num_attention_heads": 32}


@pytest.mark.parametrize("name", CONFIGS)
def test_parameters_are_those_that_transformers_counts(name: str) -> None:
    assert architecture(CONFIGS[name]).params() == RECORDED["params"][name]


def test_every_model_type_has_a_configuration_here() -> None:
    assert {*known()} == {config["model_type"] for config in CONFIGS.values()}
    assert {*RECORDED["params"]} == {*CONFIGS}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_that_were_published(name: str) -> None:
    assert architecture(CONFIGS[name]).params() == PUBLISHED[name]


@pytest.mark.parametrize("name", ACTIVE)
def test_active_parameters_are_those_that_were_published(name: str) -> None:
    model = architecture(CONFIGS[name])
    assert model.is_mixture
    assert f"{(model.params(active=True) or 0) / 1e9:.1f}" == ACTIVE[name]


@pytest.mark.parametrize("name", NON_EMBEDDING)
def test_parameters_without_embeddings_are_those_that_were_published(name: str) -> None:
    model = architecture(CONFIGS[name])
    assert model.non_embedding() == NON_EMBEDDING[name]
    assert model.params() == model.non_embedding() + model.of("embedding", "position", "head")


def _changed(config: dict[str, Any], chance: random.Random, switches: list[str]) -> dict[str, Any]:
    """Return a configuration with switches of its model_type thrown at random."""
    return config | {name: chance.random() < 0.5 for name in switches if chance.random() < 0.5}


SWITCHES = (
    *("tie_word_embeddings", "attention_bias", "mlp_bias", "use_bias", "bias", "use_qk_norm"),
    *("qk_layernorm", "use_qkv_bias", "use_parallel_residual", "enable_bias", "multi_query"),
    *("parallel_attn", "new_decoder_architecture", "qkv_bias", "do_layer_norm_before"),
)


@pytest.mark.filterwarnings("ignore")
def test_parameters_agree_with_transformers_where_it_is_installed() -> None:
    configuration = pytest.importorskip("transformers").CONFIG_MAPPING
    chance = random.Random(0)
    for config in CONFIGS.values():
        plain = configuration[config["model_type"]]()
        switches = [switch for switch in SWITCHES if hasattr(plain, switch)]
        changed = _changed(config, chance, switches)
        assert architecture(changed).params() == counted(changed), changed


# --- what has no model_type ----------------------------------------------------------------------


def test_the_arguments_of_megatron() -> None:
    # Its log prints 52.005 billion on each of 4 ranks, which count some twice: 3 x positions,
    # norms and the biases of what is split by rows. 12 h^2 + 13 h a layer, V h, T h, 2 h.
    model = architecture({**MEGATRON, "padded_vocab_size": 50688, "max_position_embeddings": 1024})
    h, rows = 8192, 1024 + 2
    assert model.params() == 64 * (12 * h**2 + 13 * h) + (50688 + rows) * h
    twice = 3 * (rows * h + 64 * (4 * h + 2 * h))
    assert f"{((model.params() or 0) + twice) / 1e9:.3f}" == "52.005"


def test_megatron_with_all_that_llama_has() -> None:
    # The arguments under which Megatron trains what Hugging Face calls a Llama.
    said = {"ffn_hidden_size": 11008, "swiglu": True, "normalization": "RMSNorm"}
    said |= {"disable_bias_linear": True, "untie_embeddings_and_output_weights": True}
    said |= {"position_embedding_type": "rope", "padded_vocab_size": 32000}
    sizes = {"num_layers": 32, "hidden_size": 4096, "num_attention_heads": 32}
    assert architecture({**sizes, **said}).params() == PUBLISHED["llama-2-7b"]
    grouped = {"group_query_attention": True, "num_query_groups": 8, "ffn_hidden_size": 14336}
    grouped |= {"num_experts": 8, "moe_router_topk": 2}
    model = architecture({**sizes, **said, **grouped})
    assert model.params() == PUBLISHED["mixtral-8x7b"]
    assert model.params(active=True) == architecture(CONFIGS["mixtral-8x7b"]).params(active=True)
    ungrouped = {**sizes, **said, "num_query_groups": 8}  # printed, and not asked for
    assert architecture(ungrouped).params() == PUBLISHED["llama-2-7b"]


def test_the_arguments_of_gpt_neox() -> None:
    # A log of a mixture of eight prints this count on its one rank.
    said = {"moe_num_experts": 8, "moe_top_k": 1, "no_weight_tying": True, "pos_emb": "rotary"}
    sizes = {"num_layers": 12, "hidden_size": 768, "num_attention_heads": 12}
    model = architecture({**sizes, **said, "padded_vocab_size": 128256})
    assert (model.params(), model.kind) == (678_446_592, "neox")


@pytest.mark.parametrize(
    ("vocabulary", "bias", "printed"), [(50257, True, "123.65"), (65, False, "10.65")]
)
def test_nanogpt_prints_its_parameters_without_positions(
    vocabulary: int, bias: bool, printed: str
) -> None:
    sizes = {"n_layer": 12, "n_head": 12, "n_embd": 768, "block_size": 1024}
    small = {"n_layer": 6, "n_head": 6, "n_embd": 384, "block_size": 256}
    model = architecture({**(sizes if bias else small), "vocab_size": vocabulary, "bias": bias})
    assert f"{((model.params() or 0) - model.of('position')) / 1e6:.2f}" == printed


def test_the_configuration_of_litgpt() -> None:
    names = {"mlp_class_name": "GptNeoxMLP", "norm_class_name": "LayerNorm", "bias": True}
    sizes = {"n_layer": 6, "n_head": 8, "n_embd": 512, "padded_vocab_size": 50304}
    model = architecture({**sizes, **names, "block_size": 2048, "intermediate_size": 2048})
    assert model.params() == PUBLISHED["pythia-70m"]
    names = {"mlp_class_name": "LLaMAMLP", "norm_class_name": "RMSNorm", "bias": False}
    sizes = {"n_layer": 32, "n_head": 32, "n_embd": 4096, "n_query_groups": 8}
    rest = {"padded_vocab_size": 128256, "intermediate_size": 14336, "parallel_residual": False}
    assert architecture({**sizes, **names, **rest}).params() == PUBLISHED["llama-3-8b"]


def test_the_yaml_of_olmo() -> None:
    sizes = {"d_model": 2048, "n_heads": 16, "n_layers": 16, "mlp_ratio": 8}
    said = {"activation_type": "swiglu", "rope": True, "weight_tying": True, "include_bias": False}
    said |= {"layer_norm_with_affine": False, "embedding_size": 50304, "vocab_size": 50280}
    model = architecture({"model": {**sizes, **said, "max_sequence_length": 2048}})
    assert model.params() == RECORDED["params"]["olmo-1b"]


def test_the_text_model_of_several_is_counted_and_said() -> None:
    inner = CONFIGS["gemma-3-1b"]
    model = architecture({"model_type": "gemma3", "text_config": inner, "vision_config": {"a": 1}})
    assert model.params() == RECORDED["params"]["gemma-3-1b"]
    assert model.notes == ("the text model alone is counted, not vision_config.",)


def test_without_a_vocabulary_only_what_has_no_embedding_is_counted() -> None:
    whole = architecture(CONFIGS["gpt2"])
    config = {name: v for name, v in CONFIGS["gpt2"].items() if name != "vocab_size"}
    model = architecture(config)
    assert (model.params(), model.non_embedding()) == (None, whole.non_embedding())
    assert architecture(config, vocabulary=50257) == whole


# --- refusals ------------------------------------------------------------------------------------


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(DataError) as caught:
        architecture(settings, "config.json")
    return str(caught.value)


def test_an_unknown_model_type_is_one_refusal_with_what_is_known() -> None:
    assert refusal({"model_type": "lama", "hidden_size": 64}) == (
        "config.json: model_type 'lama' is none that can be counted here. Did you mean llama? "
        f"Known: {', '.join(known())}. Without a model_type: nanogpt: block_size, n_embd, n_head, "
        "n_layer; neox: hidden_size, no_weight_tying, num_attention_heads, num_layers; olmo: "
        "activation_type, d_model, n_heads, n_layers; llmc: channels, num_heads, num_layers; "
        "megatron: hidden_size, num_attention_heads, num_layers."
    )


def test_nothing_described_is_a_refusal() -> None:
    assert refusal({"learning_rate": 1e-3}).startswith(
        "config.json: no architecture is described here that can be counted. Give a config.json "
        "with a model_type (gpt2, gpt_bigcode,"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"intermediate_size": None},
            "config.json: llama cannot be counted without intermediate_size. Add it to the file. "
            "It may be called n_inner or ffn_dim or ffn_hidden_size, too.",
        ),
        ({"hidden_size": 64.5}, "config.json: hidden_size must be a whole number, not 64.5."),
        ({"hidden_size": "wide"}, "config.json: hidden_size must be a whole number, not 'wide'."),
        ({"vocab_size": -1}, "config.json: vocab_size must be above zero, not -1."),
        ({"mlp_bias": "maybe"}, "config.json: mlp_bias must be true or false, not 'maybe'."),
        (
            {"num_attention_heads": 3, "head_dim": None},
            "config.json: a width of 64 cannot be shared by 3 heads. Check both, or state "
            "head_dim.",
        ),
    ],
)
def test_what_cannot_be_counted_is_said(change: dict[str, Any], message: str) -> None:
    assert refusal({**CONFIGS["llama-biased"], **change}) == message


@pytest.mark.parametrize("name", CONFIGS)
def test_no_garbled_number_ends_in_anything_but_a_refusal(name: str) -> None:
    for key, value in CONFIGS[name].items():
        for garbled in ("x", -3, 0, 1e400, [], {}, None, True, "1e999", 10**30):
            if isinstance(value, str):
                continue
            try:
                model = architecture({**CONFIGS[name], key: garbled}, "config.json")
            except DataError:
                continue
            assert isinstance(model, Architecture)


def test_every_family_is_told_by_a_name_or_by_settings() -> None:
    for family in families().values():
        assert hasattr(family, "NAMES") != hasattr(family, "KEYS")
