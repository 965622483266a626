"""Writes tests/golden/families/gpt2/merged_linear.safetensors: W_q and W_v of GPT-2's c_attn adapted as loralib does.

    OMP_NUM_THREADS=1 python scripts/golden/merged_linear.py tests/golden/families

The model and the documents are those of families.py, which runs first. MergedLinear is loralib's (microsoft/LoRA 0.1.2,
layers.py) in plain torch: one A for all enabled parts, B by a grouped convolution, zeros for the parts that are not.
The names inside the file are in tests/golden/README.md.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from families import LENGTHS, OPTIMISER, evaluate, gradients, load, train
from safetensors.torch import load_file
from support import make_deterministic, provenance, save_reference, trainable

RANK, ALPHA, SEED = 4, 6, 41
ENABLED = (True, False, True)  # q, k, v


class MergedLinear(torch.nn.Module):
    """transformers' Conv1D, frozen, with loralib's update of its enabled thirds."""

    def __init__(self, base, generator):
        super().__init__()
        self.base = base
        inputs, outputs = base.weight.shape
        share, groups = outputs // len(ENABLED), sum(ENABLED)
        # B is random too: at zero, where loralib starts it, half of what there is to test would vanish.
        self.lora_A = torch.nn.Parameter(torch.randn(RANK * groups, inputs, generator=generator) * 0.15)
        self.lora_B = torch.nn.Parameter(torch.randn(share * groups, RANK, generator=generator) * 0.15)
        enabled = torch.zeros(outputs, dtype=torch.bool).view(len(ENABLED), -1)
        enabled[list(ENABLED), :] = True
        self.enabled = enabled.view(-1)

    def forward(self, x):
        delta = F.conv1d(self.lora_A.unsqueeze(0), self.lora_B.unsqueeze(-1), groups=sum(ENABLED)).squeeze(0)
        padded = x.new_zeros(len(self.enabled), delta.shape[1])
        padded = padded.index_copy(0, self.enabled.nonzero().squeeze(1), delta)
        return self.base(x) + F.linear(x, padded) * (ALPHA / RANK)


def main():
    make_deterministic()
    case = Path(sys.argv[1]) / "gpt2"
    model = load(case / "model")
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(SEED)
    for block in model.transformer.h:
        block.attn.c_attn = MergedLinear(block.attn.c_attn, generator)
    out = {f"start.{name}": weight for name, weight in trainable(model)}
    out = {name: weight.detach().clone() for name, weight in out.items()}
    given = load_file(case / "reference.safetensors")
    documents = [(given[f"document.{i}.input_ids"], given[f"document.{i}.labels"]) for i in range(len(LENGTHS))]
    tensors, loss = evaluate(model, documents, "adapter")
    out |= tensors | gradients(model, loss, "grad.")
    out["train.losses"] = train(model, given["train.input_ids"], given["train.labels"])
    out |= {f"trained.{name}": weight for name, weight in trainable(model)}
    command = "scripts/golden/merged_linear.py tests/golden/families"
    save_reference(case / "merged_linear.safetensors", out,
                   provenance(command, SEED, optimiser=OPTIMISER, rank=RANK, alpha=ALPHA))
    print(f"loss {float(given['loss_base']):.4f}, with the update {float(loss.detach()):.4f}, "
          f"after 20 steps {float(out['train.losses'][-1]):.4f}")


if __name__ == "__main__":
    main()
