"""The tiny models of tests/golden/gguf: one recipe per file. Between them every type that Lorry reads."""

from dataclasses import dataclass, field

from gguf import GGMLQuantizationType as Type
from transformers import GPT2Config, LlamaConfig, Qwen2Config, Qwen3Config

VOCAB = 400
IDS = dict(bos_token_id=1, eos_token_id=2, pad_token_id=None)


@dataclass
class Case:
    """`types` by the name of a tensor within a block (or outside of them), else `otherwise`; norms and biases are F32."""

    seed: int
    arch: str
    config: object
    tokenizer: str  # "sentencepiece", or a name for tokenizer.ggml.pre
    types: dict = field(default_factory=dict)
    otherwise: Type = Type.F32
    files: int = 1

    def type_of(self, name):
        parts = name.removesuffix(".weight").split(".")
        return self.types.get(parts[-1], self.otherwise)


def sizes(hidden, **more):
    base = dict(vocab_size=VOCAB, hidden_size=hidden, intermediate_size=hidden, num_hidden_layers=1,
                num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128, **IDS)
    return {**base, **more}


def llama3_rope():
    return dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=64)


CASES = {
    # Types of 256 elements, q and k permuted and packed.
    "llama-k": Case(1, "llama", LlamaConfig(**sizes(256, rms_norm_eps=1e-5, tie_word_embeddings=False)), "sentencepiece",
                    dict(token_embd=Type.Q4_K, output=Type.Q6_K, attn_q=Type.Q4_K, attn_k=Type.Q5_K, attn_v=Type.Q6_K,
                         attn_output=Type.Q3_K, ffn_gate=Type.Q2_K, ffn_up=Type.IQ4_NL, ffn_down=Type.Q5_K)),
    # Dense types, q and k permuted; Llama 3's frequencies, tied, biases (permuted too), two layers in two files.
    "llama-dense": Case(2, "llama", LlamaConfig(**sizes(64, num_hidden_layers=2, tie_word_embeddings=True, rms_norm_eps=1e-5,
                                                        attention_bias=True, mlp_bias=True, rope_parameters=llama3_rope())),
                        "llama-bpe", dict(token_embd=Type.F16, attn_q=Type.F16, attn_k=Type.BF16, attn_output=Type.BF16, ffn_up=Type.F16,
                                          ffn_down=Type.F16), files=2),
    "qwen2": Case(3, "qwen2", Qwen2Config(**sizes(64, num_hidden_layers=2, tie_word_embeddings=False,
                                                  rope_parameters=dict(rope_type="default", rope_theta=1e6))), "qwen2",
                  dict(token_embd=Type.Q8_0, output=Type.Q8_0, attn_q=Type.Q4_0, attn_k=Type.Q4_1, attn_v=Type.Q5_0,
                       attn_output=Type.Q5_1, ffn_gate=Type.Q8_0, ffn_up=Type.F16, ffn_down=Type.BF16)),
    "qwen3": Case(4, "qwen3", Qwen3Config(**sizes(64, head_dim=32, tie_word_embeddings=True, intermediate_size=96,
                                                  rope_parameters=dict(rope_type="default", rope_theta=1e6))), "qwen2",
                  dict(token_embd=Type.Q5_1, ffn_down=Type.Q4_1, attn_q=Type.Q8_0), otherwise=Type.IQ4_NL),
    "gpt2": Case(5, "gpt2", GPT2Config(vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_positions=64, **IDS), "gpt-2",
                 dict(token_embd=Type.Q8_0, position_embd=Type.F32, attn_qkv=Type.Q8_0, ffn_up=Type.Q5_0),
                 otherwise=Type.Q8_0),
}
