"""Tensors in ggml's types for golden files: quantised where the `gguf` package can, random valid blocks where it cannot."""

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

BY_PACKAGE = (Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0)
# Of random blocks: where d (and dmin, which takes the mean away) stand, and sizes that give weights of about 0.05.
SCALES = {
    Type.Q2_K: ((80, 4e-3), (82, 6e-3)),
    Type.Q3_K: ((108, 1.2e-3),),
    Type.Q4_K: ((0, 1.2e-4), (2, 9e-4)),
    Type.Q5_K: ((0, 6e-5), (2, 9.3e-4)),
    Type.Q6_K: ((208, 4e-5),),
    Type.IQ4_NL: ((0, 8e-4),),
}


def random_blocks(shape, kind, rng):
    """[rows, bytes of a row] U8: any codes and small scales are a valid block."""
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (shape[0] * shape[1] // elements, size), dtype=np.uint8)
    for offset, scale in SCALES[kind]:
        values = (scale * rng.uniform(0.7, 1.3, len(blocks))).astype(np.float16)
        blocks[:, offset:offset + 2] = values.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(shape[0], shape[1] // elements * size)


def stored(weight, kind, rng):
    """(what a file holds, the same in float32) for a matrix of about `weight`'s size [rows, cols]."""
    if kind in BY_PACKAGE:
        data = quantize(np.ascontiguousarray(weight, dtype=np.float32), kind)
    else:
        data = random_blocks(weight.shape, kind, rng)
    values = dequantize(data, kind).reshape(weight.shape)
    assert np.isfinite(values).all() and 0.005 < values.std() < 0.5, (kind, values.std())
    return data, values.astype(np.float32)
