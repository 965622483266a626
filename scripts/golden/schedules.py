"""Prints the learning rates that tests/optim/schedule_test.cpp holds: transformers' schedules, rate 2e-4, 12 steps.

    python scripts/golden/schedules.py
"""

import torch
import transformers
from transformers import get_scheduler

STEPS, WARMUP, LR = 12, 4, 2e-4
CASES = [("kConstant", "constant_with_warmup", {}), ("kLinear", "linear", {}), ("kCosine", "cosine", {}),
         ("kCosineFloor", "cosine_with_min_lr", dict(min_lr=3e-5)),
         ("kCosineFloorRatio", "cosine_with_min_lr", dict(min_lr_rate=0.25)),
         ("kRestarts", "cosine_with_restarts", dict(num_cycles=3)),
         ("kPolynomial", "polynomial", {}), ("kPolynomialCubed", "polynomial", dict(power=3.0, lr_end=1e-5)),
         ("kInverseSqrt", "inverse_sqrt", {}),
         ("kStable", "warmup_stable_decay", dict(num_decay_steps=5)),
         ("kStableLinear", "warmup_stable_decay", dict(num_decay_steps=5, decay_type="linear", min_lr_ratio=0.1)),
         ("kStableRoot", "warmup_stable_decay", dict(num_decay_steps=3, decay_type="1-sqrt"))]


def rates(name, options, warmup):
    """The rate of each of STEPS updates."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    schedule = get_scheduler(name, optimizer, warmup, STEPS, dict(options))
    listed = []
    for _ in range(STEPS):
        listed.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return listed


def main():
    print(f"// transformers {transformers.__version__}, torch {torch.__version__}")
    for name, kind, options in CASES:
        print(f"constexpr Rates {name} = {{{', '.join(f'{rate:.9g}' for rate in rates(kind, options, WARMUP))}}};")
    unwarmed = rates("inverse_sqrt", {}, 0)
    print(f"constexpr Rates kInverseSqrtUnwarmed = {{{', '.join(f'{rate:.9g}' for rate in unwarmed)}}};")


if __name__ == "__main__":
    main()
