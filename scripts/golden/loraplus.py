"""Prints what tests/train/trainer_test.cpp holds of LoRA+: losses of PEFT's create_loraplus_optimizer.

    python scripts/golden/loraplus.py tests/golden/families/llama

The case's model, adapter and training batches (scripts/golden/families.py); AdamW at a constant rate.
"""

import sys
from pathlib import Path

import peft
import torch
from peft import PeftModel
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from support import loss_sum, make_deterministic
from transformers import AutoModelForCausalLM

STEPS, LR, RATIO, DECAY = 8, 5e-4, 16.0, 0.1


def main():
    make_deterministic()
    case = Path(sys.argv[1])
    base = AutoModelForCausalLM.from_pretrained(case / "model", dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, case / "adapter", is_trainable=True).eval()
    batches = load_file(case / "reference.safetensors")
    optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=LR, loraplus_lr_ratio=RATIO,
                                          loraplus_weight_decay=DECAY)
    losses = []
    for step in range(STEPS):
        ids, labels = batches["train.input_ids"][step], batches["train.labels"][step]
        total, count = loss_sum(model(ids).logits, labels)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(float(total.detach()) / count)
    print(f"// peft {peft.__version__}, torch {torch.__version__}")
    print(", ".join(f"{loss:.9g}" for loss in losses))
    print("rates", [group["lr"] for group in optimizer.param_groups], [len(g["params"]) for g in optimizer.param_groups])


if __name__ == "__main__":
    main()
