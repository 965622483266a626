#!/usr/bin/env python3
"""Writes tests/golden/safetensors/every_type.safetensors with the safetensors library: every element type that Lorry
reads, a scalar, an empty tensor, names that JSON must escape. tests/io/golden_test.cpp reads it and writes it again.

    python scripts/golden/safetensors_files.py            # write the golden file and its provenance
    python scripts/golden/safetensors_files.py FILE       # compare FILE, written by Lorry, with the golden tensors
"""
import hashlib
import pathlib
import sys

import safetensors
import torch
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "safetensors"


def tensors():
    """Element i of every tensor is i - 2 (modulo 256 for U8; whether i is odd for BOOL)."""
    made = {}
    types = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16,
             "i64": torch.int64, "i32": torch.int32, "i16": torch.int16, "i8": torch.int8}
    for name, dtype in types.items():
        made[f"{name}.weight"] = (torch.arange(6) - 2).to(dtype).reshape(2, 3)
    made["u8.weight"] = (torch.arange(5) + 254).remainder(256).to(torch.uint8)
    made["bool.weight"] = torch.arange(3).remainder(2).to(torch.bool)
    made["scalar"] = torch.tensor(-2.0)
    made["empty"] = torch.zeros(0, 3)
    made['odd "name"\n\u00e9\u6f22'] = torch.tensor([-2.0, -1.0])
    return made


def main():
    if len(sys.argv) > 1:
        loaded = load_file(sys.argv[1])
        expected = tensors()
        assert loaded.keys() == expected.keys(), loaded.keys() ^ expected.keys()
        for name, tensor in expected.items():
            assert loaded[name].dtype == tensor.dtype and torch.equal(loaded[name], tensor), name
        print(f"{len(loaded)} tensors equal")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "every_type.safetensors"
    save_file(tensors(), path, metadata={"format": "pt"})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (FOLDER / "every_type.txt").write_text(
        f"file: every_type.safetensors\nsha256: {digest}\n"
        f"made by: python scripts/golden/safetensors_files.py\n"
        f"with: safetensors {safetensors.__version__}, torch {torch.__version__}\nseed: none, values are computed\n")


if __name__ == "__main__":
    main()
