"""Writes tests/golden/optim/reference.safetensors: steps of torch's, Lion's and bitsandbytes' optimisers.

    python scripts/golden/optimizers.py tests/golden/optim

Every case starts from `weight` [ROWS, COLS], with ROWS * COLS elements, and takes STEPS steps. The gradient of step k
(from 0) is `gradients`, a flat run of numbers, from element k * SHIFT on; the rate LR * (k + 1). Lion is written from its
paper, Chen et al. 2023 (arXiv:2302.06675), algorithm 2, in numpy; the rest are the packages' own. bitsandbytes needs no GPU;
but its CPU kernel rounds float32 on a grid of 2^-16 before it looks up a code, so that the six lower decades of the map
collapse. Its own fallback for other types takes the nearest code, as its GPU kernel does, and is what runs here.
"""

import sys
from pathlib import Path

import bitsandbytes
import bitsandbytes.backends.cpu.ops as cpu_ops
import numpy
import torch
from support import make_deterministic, provenance, save_reference

SEED, ROWS, COLS, STEPS, SHIFT, LR = 31, 17, 301, 6, 41, 3e-3  # 5117 elements: 19 blocks of 256 and a part of one
BETAS, EPS, DECAY = (0.9, 0.99), 1e-8, 0.1
SGD = {"sgd": {}, "sgd_momentum": dict(momentum=0.9), "sgd_nesterov": dict(momentum=0.8, nesterov=True)}


def quantize_to_nearest(values, code, absmax, out, blocksize):
    """bitsandbytes' fallback, which float64 takes."""
    nearest, largest = torch.ops.bitsandbytes.quantize_blockwise(values.double(), code, blocksize)
    out.copy_(nearest)
    absmax.copy_(largest)


def gradient_of(flat, step):
    """The gradient of one step, with the weight's shape."""
    return flat[step * SHIFT: step * SHIFT + ROWS * COLS].reshape(ROWS, COLS).clone()


def run(make, start, flat):
    """The weight after STEPS steps of an optimiser, and the state that it then has of it."""
    weight = torch.nn.Parameter(start.clone())
    optimizer = make([weight])
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = LR * (step + 1)
        weight.grad = gradient_of(flat, step)
        optimizer.step()
    return weight.detach(), optimizer.state[weight]


def lion(start, flat):
    """Weight and momentum after STEPS steps, computed in float64."""
    weight, momentum = start.double().numpy().copy(), numpy.zeros((ROWS, COLS))
    for step in range(STEPS):
        gradient = gradient_of(flat, step).double().numpy()
        update = numpy.sign(BETAS[0] * momentum + (1 - BETAS[0]) * gradient)
        momentum = BETAS[1] * momentum + (1 - BETAS[1]) * gradient
        weight -= LR * (step + 1) * (update + DECAY * weight)
    return torch.from_numpy(weight).float(), torch.from_numpy(momentum).float()


def main():
    make_deterministic()
    cpu_ops._quant_blockwise_fp32_direct = quantize_to_nearest
    generator = torch.Generator().manual_seed(SEED)
    start = torch.randn(ROWS, COLS, generator=generator)
    # Magnitudes over three decades, so that many parts of the 8-bit maps are used; none so small beside its block's
    # largest that its square, in 8 bits, would be zero, where Lorry rounds up.
    count = ROWS * COLS + (STEPS - 1) * SHIFT
    sign = torch.randint(0, 2, (count,), generator=generator) * 2 - 1
    flat = sign * 10.0 ** (-3 * torch.rand(count, generator=generator))
    found = {"weight": start, "gradients": flat}
    found["adamw.weight"], _ = run(
        lambda p: torch.optim.AdamW(p, betas=BETAS, eps=EPS, weight_decay=DECAY, foreach=False), start, flat)
    for name, options in SGD.items():
        found[f"{name}.weight"], _ = run(
            lambda p, o=options: torch.optim.SGD(p, lr=LR, weight_decay=DECAY, foreach=False, **o), start, flat)
    found["lion.weight"], found["lion.exp_avg"] = lion(start, flat)
    found["adamw_8bit.weight"], state = run(
        lambda p: bitsandbytes.optim.AdamW8bit(p, betas=BETAS, eps=EPS, weight_decay=DECAY), start, flat)
    for name, ours in (("state1", "exp_avg"), ("state2", "exp_avg_sq")):
        found[f"adamw_8bit.{ours}"] = state[name]
        found[f"adamw_8bit.{ours}.absmax"] = state[f"absmax{name[-1]}"]
    found["map.signed"], found["map.unsigned"] = state["qmap1"], state["qmap2"]
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    more = dict(steps=STEPS, shift=SHIFT, lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY, sgd=SGD,
                bitsandbytes=bitsandbytes.__version__)
    save_reference(Path(sys.argv[1]) / "reference.safetensors", found,
                   provenance("scripts/golden/optimizers.py tests/golden/optim", SEED, **more))
    difference = (found["adamw_8bit.weight"] - found["adamw.weight"]).abs().max()
    print(f"{found['adamw_8bit.exp_avg'].dtype}; largest difference of 8 bits and 32: {difference:.3g}")


if __name__ == "__main__":
    main()
