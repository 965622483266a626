"""Writes tests/golden/resized: adapters by PEFT for models with another number of tokens than their folder says.

    OMP_NUM_THREADS=1 python scripts/golden/resized.py tests/golden/families tests/golden/resized

Run at the repository's root: PEFT compares the model's vocabulary with that of base_model_name_or_path. Each case resizes a
family's model with transformers' defaults (new rows are drawn), trains on nothing but moves what trains, and saves by PEFT's
defaults, which adds embedding and head where the vocabulary has changed. <case>/adapter is PEFT's folder;
<case>/reference.safetensors has input_ids and labels [T], and of the documented way back (load the base, resize it,
PeftModel.from_pretrained) logits [T, V], loss (mean over the targets) and grad.<name>. cases.json: family and V.
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
from beside import QV, randomise, trained
from families import draw, load
from peft import LoraConfig, PeftModel, get_peft_model
from support import loss_sum, make_deterministic, provenance, save_adapter, save_reference

SEED, TIME = 131, 19
NEW = [101, 102, 103]  # the families have 101 tokens

# case: (family, tokens, arguments)
CASES = {
    "untied": ("llama", 104, dict(trainable_token_indices={"embed_tokens": NEW, "lm_head": NEW})),
    "tied": ("llama3", 104, dict(trainable_token_indices=[*NEW, 7])),
    "untrained": ("qwen3", 104, dict()),
    "saved": ("llama", 104, dict(modules_to_save=["embed_tokens", "lm_head"])),
    "shrunk": ("qwen2", 90, dict(trainable_token_indices=[5, 89])),
}


def resized(folder, tokens):
    base = load(folder)
    base.resize_token_embeddings(tokens)
    return base


def write_case(name, families, root, seed):
    """Writes root/name afresh."""
    family, tokens, arguments = CASES[name]
    case, folder = root / name, families / family / "model"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    torch.manual_seed(seed)
    ids, labels = draw((TIME,), torch.Generator().manual_seed(seed))
    ids, labels = ids % tokens, torch.where(labels < 0, labels, labels % tokens)
    ids[3], ids[8], ids[-1], labels[4], labels[9] = tokens - 1, tokens - 2, tokens - 3, tokens - 2, tokens - 1
    base = resized(folder, tokens)
    base.name_or_path = str(folder)
    config = LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=4, target_modules=QV, **arguments)
    model = get_peft_model(base, config).eval()
    randomise(model, seed)
    save_adapter(model, case / "adapter")
    torch.manual_seed(seed + 1000)  # other new rows than those that were saved
    model = PeftModel.from_pretrained(resized(folder, tokens), case / "adapter", is_trainable=True).eval()
    logits = model(ids[None]).logits[0]
    total, count = loss_sum(logits, labels)
    (total / count).backward()
    out = {"input_ids": ids, "labels": labels, "logits": logits, "loss": total / count}
    out |= {f"grad.{n}": p.grad.clone() for n, p in trained(model)}
    command = "scripts/golden/resized.py tests/golden/families tests/golden/resized"
    save_reference(case / "reference.safetensors", out, provenance(command, seed))
    print(f"{name}: loss {float(total / count):.4f}, {list(logits.shape)}")


def main():
    make_deterministic()
    warnings.simplefilter("ignore")
    families, root = Path(sys.argv[1]), Path(sys.argv[2])
    for i, name in enumerate(CASES):
        write_case(name, families, root, SEED + i)
    index = {name: {"family": family, "tokens": tokens} for name, (family, tokens, _) in CASES.items()}
    (root / "cases.json").write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
