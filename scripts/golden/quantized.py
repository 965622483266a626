"""Writes tests/golden/quantized: tiny models that transformers saved with bitsandbytes, and what both compute.

    OMP_NUM_THREADS=1 python scripts/golden/quantized.py tests/golden/quantized

Per family: FAMILY/dense, the bfloat16 model they were made from; FAMILY/{nf4,nf4_double,int8}, each a model folder as
save_pretrained writes it and reference.safetensors beside its weights: `values.<tensor>`, dequantised by bitsandbytes
to float32, of the tensors in SHOWN; `input_ids`; `logits`, float32, of the dense model with all dequantised values.
numbers.safetensors: scales of blocks that bitsandbytes quantised by themselves (see write_numbers).
"""

import shutil
import sys
from pathlib import Path

import bitsandbytes
import bitsandbytes.functional as bnb
import bitsandbytes.backends.default.ops as ops
import torch
from recipes import randomise
from safetensors.torch import load_file
from support import make_deterministic, provenance, save_reference
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, LlamaConfig

COMMAND = "scripts/golden/quantized.py tests/golden/quantized"
SEED, TOKENS, VOCAB = 71, 29, 64
# 96 x 172 has 258 blocks of 64, so their scales two blocks of 256; neither width is a multiple of 64.
FAMILIES = {
    "llama": LlamaConfig(vocab_size=VOCAB, hidden_size=96, intermediate_size=172, num_hidden_layers=1,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1,
                         eos_token_id=2, tie_word_embeddings=False),
    "gpt2": GPT2Config(vocab_size=VOCAB, n_embd=36, n_layer=1, n_head=3, n_positions=64, bos_token_id=1,
                       eos_token_id=2),
}
SHOWN = ("self_attn.k_proj", "mlp.down_proj", "attn.c_attn", "mlp.c_fc")
FORMATS = {
    "nf4": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4"),
    "nf4_double": dict(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True),
    "int8": dict(load_in_8bit=True),
}


def dequantised_nf4(codes, state):
    """By bitsandbytes' portable code.

    Its AVX-512 code (0.50.2) takes scales of other blocks where the width is a multiple of 16 but not of 64: at
    [48, 96] what it gives differs from what was quantised by 28 %, what the portable code gives by 9 %.
    """
    absmax = state.absmax
    if state.nested:
        absmax = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
    portable = ops._dequantize_4bit_compute.__wrapped__  # without torch.compile
    return portable(codes.reshape(-1), absmax, bnb.get_4bit_type("nf4", device="cpu"), state.blocksize, state.shape,
                    torch.float32)


def dequantised(module):
    """The weight [out, in] of a quantised module in float32, by bitsandbytes; None for another module."""
    if isinstance(module, bitsandbytes.nn.Linear4bit):
        return dequantised_nf4(module.weight.data, module.weight.quant_state)
    if isinstance(module, bitsandbytes.nn.Linear8bitLt):
        return bnb.int8_vectorwise_dequant(module.weight.data, module.weight.SCB)
    return None


def float_twin(dense, quantised):
    """The dense model in float32 with the quantised one's values in place of its linear maps."""
    twin = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32, attn_implementation="eager").eval()
    values = {}
    for name, module in quantised.named_modules():
        weight = dequantised(module)
        if weight is None:
            continue
        values[name + ".weight"] = weight
        own = twin.get_submodule(name).weight
        own.data = weight if own.shape == weight.shape and not hasattr(twin, "transformer") else weight.T.contiguous()
    assert values, "nothing was quantised"
    return twin, values


@torch.no_grad()
def write_format(family, name, root):
    """One quantised folder with its reference."""
    dense, folder = root / family / "dense", root / family / name
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_pretrained(
        dense, dtype=torch.bfloat16, device_map="cpu", quantization_config=BitsAndBytesConfig(**FORMATS[name]))
    model.save_pretrained(folder)
    twin, values = float_twin(dense, model)
    ids = torch.randint(3, VOCAB, (TOKENS,), generator=torch.Generator().manual_seed(SEED))
    out = {"input_ids": ids, "logits": twin(ids[None]).logits[0]}
    out |= {f"values.{k}": v for k, v in values.items() if any(k.endswith(s + ".weight") for s in SHOWN)}
    save_reference(folder / "reference.safetensors", out, metadata())
    print(f"{family}/{name}: {len(values)} matrices")


def metadata():
    """Provenance with the version of bitsandbytes."""
    return provenance(COMMAND, SEED, bitsandbytes=bitsandbytes.__version__)


def write_numbers(root):
    """Odd inputs of the quantisers alone: `NAME.values`, and what bitsandbytes makes of them.

    long: 1000 x 64 and 7 values, the last block short; zeros: a block of zeros, and a short last one; ties: values on
    the middles between two codes; rows: int8 rows, one of zeros. scales: numbers quantised in blocks of 256 by the
    dynamic map, as scales are after their mean is subtracted.
    """
    generator = torch.Generator().manual_seed(SEED)
    code = bnb.get_4bit_type("nf4", device="cpu")
    middles = (code[1:] + code[:-1]) / 2
    inputs = {
        "long": torch.randn(1000 * 64 + 7, generator=generator) * 0.02,
        "zeros": torch.cat([torch.zeros(64), torch.randn(64, generator=generator), torch.zeros(5)]),
        "ties": torch.cat([torch.ones(1), middles, -middles, torch.zeros(33)]),
    }
    out = {}
    for name, values in inputs.items():
        codes, state = bnb.quantize_4bit(values, blocksize=64, quant_type="nf4")
        out |= {f"{name}.values": values, f"{name}.codes": codes.reshape(-1), f"{name}.absmax": state.absmax}
    rows = torch.randn(5, 37, generator=generator)
    rows[3] = 0
    codes, scales, _ = bnb.int8_vectorwise_quant(rows.to(torch.float16))
    out |= {"rows.values": rows, "rows.codes": codes, "rows.scales": scales}
    scales = torch.randn(20 * 256 + 9, generator=generator) * 0.01
    codes, state = bnb.quantize_blockwise(scales, blocksize=256)
    out |= {"scales.values": scales, "scales.codes": codes, "scales.absmax": state.absmax, "scales.map": state.code}
    save_reference(root / "numbers.safetensors", out, metadata())


def main():
    make_deterministic()
    root = Path(sys.argv[1])
    for family, config in FAMILIES.items():
        shutil.rmtree(root / family, ignore_errors=True)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        randomise(model, SEED)
        model.to(torch.bfloat16).save_pretrained(root / family / "dense")
        for name in FORMATS:
            write_format(family, name, root)
    write_numbers(root)


if __name__ == "__main__":
    main()
