"""Writes a GGUF model of random Q8_0 weights, large enough to be measured: 12 blocks of hidden size 768.

    .venv/bin/python bench/gguf_model.py tests/golden/gguf/llama-k.gguf OUT.gguf

Tokenizer and the rest of the metadata come from the first file, a small Llama.
"""

import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants

BLOCKS, HIDDEN, INTERMEDIATE, HEADS = 12, 768, 2048, 12
SIZES = {"llama.block_count": BLOCKS, "llama.embedding_length": HIDDEN, "llama.feed_forward_length": INTERMEDIATE,
         "llama.attention.head_count": HEADS, "llama.attention.head_count_kv": HEADS, "llama.context_length": 2048,
         "llama.rope.dimension_count": HIDDEN // HEADS}


def copy_metadata(reader, writer):
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = SIZES.get(key, field.contents())
        kind = field.types[0]
        if kind.name == "ARRAY":
            writer.add_array(key, value)
        else:
            writer.add_key_value(key, value, kind)


def main():
    source, target = sys.argv[1:]
    reader, writer = GGUFReader(source), GGUFWriter(target, "llama")
    copy_metadata(reader, writer)
    vocabulary = len(reader.fields["tokenizer.ggml.tokens"].contents())
    rng = np.random.default_rng(0)

    def add(name, rows, cols):
        values = (0.02 * rng.standard_normal((rows, cols))).astype(np.float32)
        writer.add_tensor(name, quants.quantize(values, GGMLQuantizationType.Q8_0), raw_dtype=GGMLQuantizationType.Q8_0)

    add("token_embd.weight", vocabulary, HIDDEN)
    for i in range(BLOCKS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{norm}.weight", np.ones(HIDDEN, np.float32))
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{i}.{part}.weight", HIDDEN, HIDDEN)
        add(f"blk.{i}.ffn_gate.weight", INTERMEDIATE, HIDDEN)
        add(f"blk.{i}.ffn_up.weight", INTERMEDIATE, HIDDEN)
        add(f"blk.{i}.ffn_down.weight", HIDDEN, INTERMEDIATE)
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, np.float32))
    add("output.weight", vocabulary, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
