"""Writes tests/golden/gguf: tiny GGUF files, the logits of their models in float32, the ids of their tokenizers.

    OMP_NUM_THREADS=1 python scripts/golden/gguf_files.py tests/golden/gguf [CASE...]

The files are written by the `gguf` package. The reference is transformers on the weights as that package dequantises them;
the script checks that transformers' own GGUF loader computes the same.
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf_blocks import stored
from gguf_cases import CASES, VOCAB
from gguf_tokens import byte_level, sentence_piece
from recipes import randomise
from support import make_deterministic, provenance, save_reference
from transformers import AutoModelForCausalLM

ARCHS = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2, "qwen3": gguf.MODEL_ARCH.QWEN3,
         "gpt2": gguf.MODEL_ARCH.GPT2}
LENGTHS = (14, 5)


def permute(weight, heads):
    """Rows from Hugging Face's order into llama.cpp's, as convert_hf_to_gguf.py does."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def permute_back(weight, heads):
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def heads_of(case, name):
    """How many heads `name`'s rows are permuted in; 0: none."""
    if case.arch != "llama" or ".attn_q." not in name and ".attn_k." not in name:
        return 0
    return case.config.num_attention_heads if ".attn_q." in name else case.config.num_key_value_heads


def rope_divisors(config):
    """What convert_hf_to_gguf.py writes as rope_freqs.weight for Llama 3."""
    rope = config.rope_parameters
    size = config.hidden_size // config.num_attention_heads
    frequencies = 1.0 / rope["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
    high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    factors = []
    for wavelength in (2 * np.pi / frequencies).tolist():
        smooth = (rope["original_max_position_embeddings"] / wavelength - rope["low_freq_factor"]) / (
            rope["high_freq_factor"] - rope["low_freq_factor"])
        factors.append(1 if wavelength < high else rope["factor"] if wavelength > low else
                       1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def add_sizes(writer, config, arch):
    if arch == "gpt2":
        writer.add_context_length(config.n_positions)
        writer.add_embedding_length(config.n_embd)
        writer.add_feed_forward_length(4 * config.n_embd)
        writer.add_block_count(config.n_layer)
        writer.add_head_count(config.n_head)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if arch == "qwen3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if arch == "llama":
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
        writer.add_vocab_size(config.vocab_size)


def add_tensors(writer, case, model, rng):
    """Writes every weight in its type and puts what the file says back into the model."""
    layers = getattr(case.config, "num_hidden_layers", None) or case.config.n_layer
    names = gguf.get_tensor_name_map(ARCHS[case.arch], layers)
    state = model.state_dict()
    with torch.no_grad():
        for ours, weight in state.items():
            if ours == "lm_head.weight" and case.config.tie_word_embeddings:
                continue
            name = names.get_name(ours, try_suffixes=(".weight", ".bias"))
            conv1d = case.arch == "gpt2" and weight.dim() == 2 and ".h." in ours
            values = weight.numpy().T if conv1d else weight.numpy()
            heads = heads_of(case, name)
            values = permute(values, heads) if heads else values
            if values.ndim == 1:
                writer.add_tensor(name, np.ascontiguousarray(values))
                continue
            kind = case.type_of(name)
            data, values = stored(values, kind, rng)
            writer.add_tensor(name, data, raw_dtype=kind)
            values = permute_back(values, heads) if heads else values
            weight.copy_(torch.from_numpy(np.ascontiguousarray(values.T if conv1d else values)))
    if case.arch == "llama" and case.config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(case.config))


@torch.no_grad()
def check_loader(path, case, ids, want):
    """transformers' own reader of GGUF files computes the same. It does not know rope_freqs, nor files in parts."""
    if case.files > 1:
        return "not checked"
    # It does not read the size of qwen3's heads, nor gpt2's number of positions.
    config = {"config": case.config} if case.arch in ("qwen3", "gpt2") else {}
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32,
                                                 attn_implementation="eager", **config).eval()
    difference = float((model(ids[None]).logits[0] - want).abs().max() / want.abs().max())
    assert difference < 1e-5, (path, difference)
    return f"differs by {difference:.1e}"


def write_case(name, root):
    case = CASES[name]
    for old in root.glob(f"{name}*"):
        old.unlink()
    model = AutoModelForCausalLM.from_config(case.config, dtype=torch.float32, attn_implementation="eager").eval()
    randomise(model, case.seed)
    tensors = sum(1 for n in model.state_dict() if n != "lm_head.weight" or not case.config.tie_word_embeddings)
    split = -(-(tensors + 1) // case.files) if case.files > 1 else 0
    path = root / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, case.arch, split_max_tensors=split)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_sizes(writer, case.config, case.arch)
    texts = sentence_piece(writer, VOCAB) if case.tokenizer == "sentencepiece" else byte_level(writer, case.tokenizer, VOCAB)
    add_tensors(writer, case, model, np.random.default_rng(case.seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    generator = torch.Generator().manual_seed(case.seed)
    out = {}
    for i, length in enumerate(LENGTHS):
        ids = torch.randint(3, VOCAB, (length,), generator=generator)
        with torch.no_grad():
            out |= {f"document.{i}.input_ids": ids, f"document.{i}.logits": model(ids[None]).logits[0]}
    verdict = check_loader(path, case, out["document.0.input_ids"], out["document.0.logits"])
    command = f"scripts/golden/gguf_files.py tests/golden/gguf {name}"
    save_reference(root / f"{name}.safetensors", out, provenance(command, case.seed, gguf=gguf_version()))
    (root / f"{name}.tokens.json").write_text(json.dumps(texts, indent=1) + "\n")
    size = sum(file.stat().st_size for file in root.glob(f"{name}*.gguf"))
    print(f"{name}: {size} bytes, logits up to {float(out['document.0.logits'].abs().max()):.2f}; own loader {verdict}")


def gguf_version():
    from importlib.metadata import version
    return version("gguf")


def main():
    make_deterministic()
    root = Path(sys.argv[1])
    root.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or CASES:
        write_case(name, root)


if __name__ == "__main__":
    main()
