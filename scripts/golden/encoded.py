#!/usr/bin/env python3
"""Writes tests/golden/packed/encoded.safetensors: numbers, and what others' encoders of GGUF's blocks make of them.

    python scripts/golden/encoded.py tests/golden/packed LIBRARY VERSION

LIBRARY is a shared library of llama.cpp with ggml_quantize_chunk in it: its own libggml-base.so, or the extension of a
Python binding (xllamacpp.abi3.so of the package xllamacpp); VERSION, which that is, for the header. tests/tensor/encode_blocks_test.cpp reads the result:
`CASE.values` F32 [rows, columns] for normal, heavy-tailed, shifted and uniform numbers and some odd ones; `CASE.TYPE` U8
[rows, bytes], what the `gguf` package quantises those to, of the types it can; and of the others `CASE.TYPE.rms` F32 [1],
the root mean square of what llama.cpp loses of the first four cases.
"""

import ctypes
import importlib.metadata
import os
import pathlib
import sys

import gguf
import numpy as np
import torch
from support import provenance, save_reference

SEED = 9
ROWS, COLUMNS = 4, 512
BY_PACKAGE = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
SEARCHED = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL")


def cases():
    """{name: float32 values}."""
    rng = np.random.default_rng(SEED)
    shape = (ROWS, COLUMNS)
    odd = np.zeros((3, 256))  # a block of zeros, one number alone, halves between codes, tiny and large ones
    odd[0, 40] = -0.7
    odd[0, 64:128] = np.arange(64) / 2 - 16
    odd[1] = rng.standard_normal(256) * 1e-7
    odd[2] = rng.standard_normal(256) * 1e4
    values = {
        "normal": rng.standard_normal(shape) * 0.02,
        "heavy": rng.standard_t(3, shape) * 0.02,
        "shifted": (rng.standard_normal(shape) + 1.5) * 0.02,
        "uniform": rng.uniform(-0.01, 0.01, shape),
        "odd": odd,
    }
    return {name: np.ascontiguousarray(v, dtype=np.float32) for name, v in values.items()}


def llama_cpp(path):
    """ggml_quantize_chunk of the library."""
    function = ctypes.CDLL(path, mode=os.RTLD_LAZY).ggml_quantize_chunk
    function.restype = ctypes.c_size_t
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
    return function


def rms_of(quantize_chunk, values, kind):
    """What llama.cpp's encoder loses of `values`."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    rows, columns = values.shape
    blocks = np.zeros((rows, columns // elements * size), np.uint8)
    written = quantize_chunk(int(kind), values.ctypes.data, blocks.ctypes.data, 0, rows, columns, None)
    assert written == blocks.size, (kind, written)
    lost = gguf.quants.dequantize(blocks, kind).astype(np.float64) - values
    return np.sqrt((lost**2).mean()).astype(np.float32)


def main():
    folder, quantize_chunk = pathlib.Path(sys.argv[1]), llama_cpp(sys.argv[2])
    tensors = {}
    for case, values in cases().items():
        tensors[f"{case}.values"] = torch.from_numpy(values)
        for name in BY_PACKAGE:
            blocks = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name])
            tensors[f"{case}.{name}"] = torch.from_numpy(blocks.view(np.uint8).reshape(len(values), -1).copy())
        if case == "odd":
            continue
        for name in SEARCHED:
            tensors[f"{case}.{name}.rms"] = torch.tensor(rms_of(quantize_chunk, values, gguf.GGMLQuantizationType[name]))
    header = provenance("scripts/golden/encoded.py tests/golden/packed LIBRARY VERSION", SEED,
                        gguf=importlib.metadata.version("gguf"), llama_cpp=sys.argv[3])
    save_reference(folder / "encoded.safetensors", tensors, header)


if __name__ == "__main__":
    main()
