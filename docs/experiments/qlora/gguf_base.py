"""Writes the embedded model as GGUF in BF16, Q8_0, Q4_K_M and plain Q4_K.

    python docs/experiments/qlora/gguf_base.py demo/model OUT

The BF16 file is written by the `gguf` package from the folder's weights; llama.cpp's own quantiser makes the others of it, so they
are what a user would download. `pure` Q4_K has every matrix in Q4_K; Q4_K_M, llama.cpp's usual mix, has some of them and the
embedding, which is the head too, in Q6_K. Needs llama-cpp-python, which is built from source (pip install llama-cpp-python) and
is not among scripts/golden's requirements. Files are written under OUT as NAME.gguf, each whole or not at all.
"""

import ctypes
import json
import os
import sys
from collections import Counter
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
import torch
from gguf import GGMLQuantizationType, TokenType
from gguf.quants import dequantize
from safetensors.torch import load_file

# name: (ftype of llama.cpp, every matrix in that one type)
QUANTISED = {
    "q8_0": (llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, False),
    "q4_k_m": (llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, False),
    "q4_k": (llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_S, True),
}


def permute(weight, heads):
    """Rows of q and k from Hugging Face's order into llama.cpp's, as convert_hf_to_gguf.py does."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def add_sizes(writer, config):
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def add_tokenizer(writer, folder, config):
    """A byte-level one with GPT-2's words; the post-processor puts BOS first, the GGUF file says so by a flag."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    model, level = tokenizer["model"], tokenizer["pre_tokenizer"]
    assert model["type"] == "BPE" and level["type"] == "ByteLevel" and level["use_regex"] and not level["add_prefix_space"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    assert len(tokens) == config["vocab_size"]
    special = {token["id"] for token in tokenizer["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if i in special else TokenType.NORMAL for i in range(len(tokens))])
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(True)


def write_bf16(folder, path):
    config = json.loads((folder / "config.json").read_text())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(path, "llama")
    add_sizes(writer, config)
    add_tokenizer(writer, folder, config)
    for ours, weight in load_file(folder / "model.safetensors").items():
        name = names.get_name(ours, try_suffixes=(".weight",))
        if weight.dim() == 1:
            writer.add_tensor(name, weight.float().numpy())
            continue
        heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}.get(name.split(".")[-2])
        values = permute(weight, config[heads]) if heads else weight
        codes = values.contiguous().view(torch.uint16).numpy()
        writer.add_tensor(name, codes.view("uint8"), raw_dtype=GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantise(source, path, ftype, pure):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.pure, params.nthread = ftype, pure, 1
    code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(path), ctypes.byref(params))
    assert code == 0, (path, code)


def lost(tensors, plain):
    """The norm of what quantising changed over that of the weights, over the blocks' matrices."""
    squares = np.zeros(2)
    for tensor in tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            weight = plain[tensor.name]
            difference = dequantize(tensor.data, tensor.tensor_type) - weight
            squares += (difference.astype(np.float64) ** 2).sum(), (weight.astype(np.float64) ** 2).sum()
    return float(np.sqrt(squares[0] / squares[1]))


def describe(path, source):
    plain = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(source).tensors}
    tensors = gguf.GGUFReader(path).tensors
    types = Counter(tensor.tensor_type.name for tensor in tensors)
    print(f"{path.name}: {path.stat().st_size} bytes; {', '.join(f'{n} {kind}' for kind, n in sorted(types.items()))}; "
          f"error {lost(tensors, plain):.4f} of the weights' norm", flush=True)


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    source, part = out / "bf16.gguf", out / "unfinished"
    write_bf16(folder, part)
    part.rename(source)
    describe(source, source)
    for name, (ftype, pure) in QUANTISED.items():
        quantise(source, part, ftype, pure)
        part.rename(out / f"{name}.gguf")
        describe(out / f"{name}.gguf", source)


if __name__ == "__main__":
    main()
