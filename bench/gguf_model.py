"""Writes a GGUF model of random weights, large enough to be measured.

    .venv/bin/python bench/gguf_model.py tests/golden/gguf/llama-k.gguf OUT.gguf [SHAPE] [TYPE]

Tokenizer and the rest of the metadata come from the first file, a small Llama. SHAPE is 85m (the default: 12 blocks of hidden size
768) or 1.1b (TinyLlama's, with its 32000 tokens); TYPE is Q8_0 (the default), BF16 or Q4_K, for all matrices.
"""

import sys
from dataclasses import dataclass

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, TokenType, quants


@dataclass
class Shape:
    blocks: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int  # 0: the tokenizer's own


SHAPES = {"85m": Shape(12, 768, 2048, 12, 12, 0), "1.1b": Shape(22, 2048, 5632, 32, 4, 32000)}
DEVIATION = 0.02  # of the weights


def changed(shape):
    return {"llama.block_count": shape.blocks, "llama.embedding_length": shape.hidden, "llama.context_length": 2048,
            "llama.feed_forward_length": shape.intermediate, "llama.attention.head_count": shape.heads,
            "llama.attention.head_count_kv": shape.kv_heads, "llama.rope.dimension_count": shape.hidden // shape.heads,
            "llama.vocab_size": shape.vocabulary}


def filled(key, values, vocabulary):
    """Arrays with one entry per token, for tokens that no text has too."""
    more = range(len(values), vocabulary)
    if key == "tokenizer.ggml.tokens":
        return values + [f"<unused {i}>" for i in more]
    if key == "tokenizer.ggml.scores":
        return values + [-1e6 for _ in more]
    if key == "tokenizer.ggml.token_type":
        return values + [int(TokenType.UNUSED) for _ in more]
    return values


def copy_metadata(reader, writer, shape):
    sizes = changed(shape)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = sizes.get(key) or field.contents()
        kind = field.types[0]
        if kind.name == "ARRAY":
            writer.add_array(key, filled(key, value, shape.vocabulary))
        else:
            writer.add_key_value(key, value, kind)


def random_q4_k(rng, rows, cols):
    """Blocks of 256: scale, scale of the minima (7.5 times it, so that numbers lie about 0), 12 bytes of small scales, 128 of codes."""
    blocks = np.zeros((rows, cols // 256, 144), np.uint8)
    scale = np.float16(DEVIATION / (30 * 4.6))  # small scales are about 30, codes deviate by 4.6
    blocks[:, :, :4] = np.array([scale, np.float16(7.5 * scale)], np.float16).view(np.uint8)
    # Both sixes of bits of a pair alike, as 30 and 31: 7.5 times either is what the other takes away.
    blocks[:, :, 4:16] = np.array([30, 31, 30, 31, 30, 31, 30, 31, 0xEE, 0xFF, 0xEE, 0xFF], np.uint8) | 0x40
    blocks[:, :, 16:] = rng.integers(0, 256, (rows, cols // 256, 128), np.uint8)
    return blocks.reshape(rows, -1)


def random_matrix(rng, rows, cols, kind):
    if kind == GGMLQuantizationType.Q4_K:
        return random_q4_k(rng, rows, cols)
    values = (DEVIATION * rng.standard_normal((rows, cols), np.float32)).astype(np.float32)
    return quants.quantize(values, kind)


def main():
    source, target, *rest = sys.argv[1:]
    shape = SHAPES[rest[0] if rest else "85m"]
    kind = GGMLQuantizationType[rest[1] if len(rest) > 1 else "Q8_0"]
    reader, writer = GGUFReader(source), GGUFWriter(target, "llama")
    copy_metadata(reader, writer, shape)
    vocabulary = shape.vocabulary or len(reader.fields["tokenizer.ggml.tokens"].contents())
    rng = np.random.default_rng(0)

    def add(name, rows, cols):
        writer.add_tensor(name, random_matrix(rng, rows, cols, kind), raw_dtype=kind)

    add("token_embd.weight", vocabulary, shape.hidden)
    kv_width = shape.hidden // shape.heads * shape.kv_heads
    for i in range(shape.blocks):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{norm}.weight", np.ones(shape.hidden, np.float32))
        for part, rows in (("attn_q", shape.hidden), ("attn_k", kv_width), ("attn_v", kv_width), ("attn_output", shape.hidden)):
            add(f"blk.{i}.{part}.weight", rows, shape.hidden)
        add(f"blk.{i}.ffn_gate.weight", shape.intermediate, shape.hidden)
        add(f"blk.{i}.ffn_up.weight", shape.intermediate, shape.hidden)
        add(f"blk.{i}.ffn_down.weight", shape.hidden, shape.intermediate)
    writer.add_tensor("output_norm.weight", np.ones(shape.hidden, np.float32))
    add("output.weight", vocabulary, shape.hidden)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
