#!/usr/bin/env python3
"""Writes tests/golden/packed/reference.safetensors: blocks of every packed format and the numbers that the `gguf` package
and bitsandbytes (on the CPU) make of them. tests/tensor/packed_golden_test.cpp reads it.

    python scripts/golden/packed.py tests/golden/packed

GGUF: `<type>.blocks` U8 [rows, bytes of a row], random bytes whose float16 scales are finite; `<type>.values` F32 [rows,
columns]. NF4 and int8, of random weights: the tensors as `transformers` saves them with bitsandbytes (shared names:
`.weight`, `.absmax`, ...), `.shape` I64 [2], and `.values`; of the long matrix only rows `first_rows` and the last ones.
"""

import importlib.metadata
import json
import pathlib
import sys

import bitsandbytes
import gguf
import numpy as np
import torch
from bitsandbytes import functional
from support import make_deterministic, provenance, save_reference

SEED = 5
ROWS = 3
# Where a block of each type has its float16 scales.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "F32": [], "F16": [0], "BF16": []}


def random_blocks(name, rng):
    """[ROWS, bytes] of two blocks a row for large blocks, three for small ones."""
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = ROWS * {256: 2, 32: 3, 1: 7}[elements]
    if name == "F32":
        return rng.standard_normal((count, 1), dtype=np.float32).view(np.uint8).reshape(ROWS, -1)
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    if name == "BF16":
        blocks[:, 1] &= 0xBF  # no infinity, no NaN
    for at in SCALES[name]:
        half = (rng.standard_normal(count) * 10.0 ** rng.integers(-4, 2, count)).astype(np.float16)
        blocks[:, at:at + 2] = half.view(np.uint8).reshape(count, 2)
    return blocks.reshape(ROWS, -1)


def add_gguf(tensors, rng):
    for name in SCALES:
        blocks = random_blocks(name, rng)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name])
        assert np.isfinite(values).all(), name
        tensors[f"{name}.blocks"] = torch.from_numpy(blocks)
        tensors[f"{name}.values"] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def add_nf4(tensors, case, shape, nested, keep):
    """keep: rows at the start and at the end whose values are stored; 0 for all of them."""
    weight = torch.randn(shape) * 0.05
    packed, state = functional.quantize_nf4(weight, blocksize=64, compress_statistics=nested)
    values = functional.dequantize_4bit(packed, state)
    tensors[f"{case}.weight"] = packed
    tensors[f"{case}.shape"] = torch.tensor(shape)
    tensors[f"{case}.values"] = torch.cat([values[:keep], values[-keep:]]) if keep else values
    for name, tensor in state.as_dict(packed=True).items():
        tensors[f"{case}.{name}"] = tensor
        if name.startswith("quant_state"):
            tensors[f"{case}.offset"] = torch.tensor(json.loads(bytes(tensor.tolist())).get("nested_offset", 0.0))


def add_int8(tensors):
    weight = torch.randn(5, 37, dtype=torch.float16) * 0.05
    codes, absmax, _ = functional.int8_vectorwise_quant(weight)
    tensors |= {"INT8.weight": codes, "INT8.SCB": absmax}
    tensors["INT8.values"] = functional.int8_vectorwise_dequant(codes, absmax)
    return tensors


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    make_deterministic()
    torch.manual_seed(SEED)
    tensors = {}
    add_gguf(tensors, np.random.default_rng(SEED))
    add_nf4(tensors, "nf4", (5, 75), nested=False, keep=0)
    add_nf4(tensors, "nf4_even", (7, 192), nested=False, keep=0)
    add_nf4(tensors, "nf4_nested", (130, 140), nested=True, keep=3)  # two blocks of scales
    tensors = add_int8(tensors)
    header = provenance("scripts/golden/packed.py tests/golden/packed", SEED, gguf=importlib.metadata.version("gguf"),
                        bitsandbytes=bitsandbytes.__version__)
    save_reference(folder / "reference.safetensors", tensors, header)


if __name__ == "__main__":
    main()
