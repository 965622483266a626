"""The tiny random models and adapters of tests/golden/families, one recipe per case.

Sizes are odd on purpose (vocabulary 101, widths that are no multiple of 16), so that a vector tail cannot hide.
`old` spells the same config as hub folders did before transformers 5; None in it removes a key.
"""

from dataclasses import dataclass

import torch
from transformers import GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

VOCAB = 101
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]


@dataclass
class Recipe:
    """One case: a config, how its weights are stored, its adapter, and its config in the old spelling."""

    seed: int
    config: object
    lora: dict
    old: dict
    dtype: torch.dtype = torch.float32  # of the stored weights; every reference is computed in float32
    max_shard_size: str = "1GB"
    full: bool = False  # also gradients of every weight
    extra_layout: str = ""  # "hub": a second folder as the first GPT-2 uploads look; "inv_freq": old rotary buffers


def common(**more):
    """Keys that most decoder configs share."""
    base = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
                max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=None)
    return {**base, **more}


def rope(kind="default", theta=10000.0, **more):
    """rope_parameters as transformers 5 writes them."""
    return {"rope_type": kind, "rope_theta": theta, **more}


def old_spelling(theta=10000.0, dtype="float32", scaling=None, **more):
    """The keys that transformers 5 renamed: rope_parameters -> rope_theta + rope_scaling, dtype -> torch_dtype."""
    renamed = {"rope_parameters": None, "dtype": None, "transformers_version": "4.37.0",
               "rope_theta": theta, "rope_scaling": scaling, "torch_dtype": dtype}
    return {**renamed, **more}


def llama_recipes():
    """Llama 1, 2 and 3.x, and the ways their weights are stored."""
    llama3_rope = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
    small = dict(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"])
    return {
        # Llama 1 folders name neither key-value heads nor head size nor rope_theta.
        "llama": Recipe(11, LlamaConfig(**common(), rms_norm_eps=1e-6, tie_word_embeddings=False),
                        dict(r=4, lora_alpha=8, target_modules="all-linear"),
                        {**old_spelling(), "rope_theta": None, "rope_scaling": None, "num_key_value_heads": None,
                         "head_dim": None}),
        # One key-value head of size 8: rank 12 is above the smaller side of k_proj and v_proj.
        "llama_linear": Recipe(12, LlamaConfig(**common(num_key_value_heads=1), rms_norm_eps=1e-5,
                                               rope_parameters=rope("linear", factor=4.0), tie_word_embeddings=False),
                               dict(r=12, lora_alpha=6, target_modules=ATTENTION + MLP),
                               old_spelling(scaling={"type": "linear", "factor": 4.0}), max_shard_size="40KB"),
        # original 64 and theta 5e5 put one wavelength in each of the three bands that llama3 scaling treats apart.
        "llama3": Recipe(13, LlamaConfig(**common(hidden_size=48, num_attention_heads=3, num_key_value_heads=1),
                                         rms_norm_eps=1e-5, tie_word_embeddings=True,
                                         rope_parameters=rope("llama3", 500000.0, **llama3_rope)),
                         dict(r=4, lora_alpha=8, target_modules=ATTENTION + MLP),
                         old_spelling(500000.0, scaling={"rope_type": "llama3", **llama3_rope}), full=True),
        "llama_bf16": Recipe(14, LlamaConfig(**common(num_key_value_heads=2), tie_word_embeddings=False), small,
                             old_spelling(dtype="bfloat16"), dtype=torch.bfloat16),
        # Folders converted in 2023 carry one rotary_emb.inv_freq per layer, which readers must skip.
        "llama_f16": Recipe(15, LlamaConfig(**common(num_key_value_heads=4), tie_word_embeddings=False), small,
                            old_spelling(dtype="float16"), dtype=torch.float16, extra_layout="inv_freq"),
    }


def other_recipes():
    """The other families."""
    regex = r"model\.layers\.[12]\.(self_attn\.(q|k|o)_proj|mlp\.down_proj)"
    return {
        # The window (9) is shorter than every long document, and heads (4 x 12) are wider than the model (32).
        "mistral": Recipe(16, MistralConfig(**common(num_key_value_heads=2), head_dim=12, sliding_window=9),
                          dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]), old_spelling()),
        "qwen2": Recipe(17, Qwen2Config(**common(num_key_value_heads=2), rope_parameters=rope(theta=1000000.0)),
                        dict(r=4, lora_alpha=8, target_modules="all-linear"),
                        old_spelling(1000000.0, layer_types=None, use_sliding_window=False, sliding_window=32768,
                                     max_window_layers=2)),
        # Layer 0 carries no adapter: the backward pass may stop above it.
        "qwen3": Recipe(18, Qwen3Config(**common(num_hidden_layers=3, num_key_value_heads=2), head_dim=12,
                                        rope_parameters=rope(theta=1000000.0), tie_word_embeddings=True),
                        dict(r=4, lora_alpha=8, target_modules=regex),
                        old_spelling(1000000.0, layer_types=None, use_sliding_window=False, sliding_window=None,
                                     max_window_layers=3)),
        "gpt2": Recipe(19, GPT2Config(vocab_size=VOCAB, n_embd=36, n_layer=2, n_head=3, n_positions=64,
                                      bos_token_id=1, eos_token_id=1),
                       dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True),
                       {"dtype": None, "transformers_version": None, "n_ctx": 64, "n_inner": None,
                        "tie_word_embeddings": None}, full=True, extra_layout="hub"),
    }


RECIPES = {**llama_recipes(), **other_recipes()}


def randomise(model, seed):
    """Fills every weight so that a mistake anywhere shows: no zero bias, no norm weight of one, logits of order 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() == 1:
                weight.copy_(0.2 * noise if name.endswith("bias") else 1 + 0.2 * noise)
            elif any(part in name for part in ("embed_tokens", "wte", "wpe")):
                weight.copy_(0.3 * noise)
            else:
                inputs = weight.shape[0] if model.config.model_type == "gpt2" else weight.shape[1]
                weight.copy_(noise / inputs**0.5)


def randomise_adapter(model, seed):
    """Gives A and B random values: with B = 0, as it starts, half of what there is to test would vanish."""
    generator = torch.Generator().manual_seed(seed + 1000)
    with torch.no_grad():
        for _, weight in ((n, p) for n, p in model.named_parameters() if "lora_" in n):
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.15)
