"""Writes tests/golden/beside: adapters by PEFT that train more than A and B of linear layers, and what they compute.

    OMP_NUM_THREADS=1 python scripts/golden/beside.py tests/golden/families tests/golden/beside [CASE...]

Each case uses the model of a family in tests/golden/families; cases.json says which. <case>/adapter is PEFT's folder;
<case>/reference.safetensors has input_ids and labels [T], logits [T, V], loss (mean over the targets), grad.<name>,
train.losses of STEPS steps of AdamW on that one document, trained.<name> after them, and merged.<name> of every weight
that merging changes. Names are those of adapter_model.safetensors.
"""

import json
import shutil
import sys
import warnings
from pathlib import Path

import torch
from families import OPTIMISER, draw, load
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from support import loss_sum, make_deterministic, provenance, save_adapter, save_reference

SEED, TIME, STEPS = 71, 23, 6
QV = ["q_proj", "v_proj"]
TOKENS, HEAD = [35, 60, 82, 31, 7], [60, 5]
BOTH = {"embed_tokens": TOKENS, "lm_head": HEAD}
GPT2 = ["c_attn", "wpe"]

# case: (family, arguments)
CASES = {
    # "norm" means every module whose name ends so: input_layernorm and post_attention_layernorm too.
    "saved": ("llama", dict(target_modules=QV, modules_to_save=["lm_head", "embed_tokens", "norm"])),
    # A module with what it holds; k_proj is then no longer adapted.
    "saved_inside": ("llama", dict(target_modules="all-linear", modules_to_save=["layers.1.mlp", "k_proj"])),
    "saved_qk_norm": ("qwen3", dict(target_modules=["v_proj"], modules_to_save=["q_norm", "k_norm"])),
    "saved_norm_alone": ("llama", dict(target_modules=["lm_head"], modules_to_save=["model.norm"])),
    "saved_tied_head": ("llama3", dict(target_modules=QV, modules_to_save=["lm_head"])),
    "saved_tied_both": ("qwen3", dict(target_modules=QV, modules_to_save=["lm_head", "embed_tokens"])),
    "saved_gpt2": ("gpt2", dict(target_modules=["c_attn"], modules_to_save=["ln_f", "wpe", "mlp.c_proj"])),
    "bias_all_gpt2": ("gpt2", dict(target_modules=["c_attn"], bias="all")),
    "bias_lora_only_gpt2": ("gpt2", dict(target_modules=["c_attn", "mlp.c_proj"], bias="lora_only")),
    "bias_all_qwen2": ("qwen2", dict(target_modules=["q_proj", "o_proj"], bias="all")),
    "bias_lora_only_qwen2": ("qwen2", dict(target_modules=["q_proj", "o_proj"], bias="lora_only")),
    "bias_all_llama": ("llama", dict(target_modules=QV, bias="all")),  # which has none
    "lora_bias_gpt2": ("gpt2", dict(target_modules=["c_attn", "c_fc"], lora_bias=True)),
    "lora_bias_llama": ("llama", dict(target_modules=QV, lora_bias=True)),  # no bias to merge it into
    "lora_bias_all": ("gpt2", dict(target_modules=["c_attn"], lora_bias=True, bias="all", modules_to_save=["ln_f"])),
    "embed": ("llama", dict(target_modules=["embed_tokens", "q_proj"], rank_pattern={"embed_tokens": 5})),
    "embed_alone_tied": ("llama3", dict(target_modules=["embed_tokens"])),
    "embed_gpt2": ("gpt2", dict(target_modules=["wte", "wpe", "c_attn"], modules_to_save=["ln_f"], bias="lora_only")),
    "embed_positions": ("gpt2", dict(target_modules=["wpe"])),
    # Each document has some of the tokens, in another order.
    "tokens": ("llama", dict(target_modules=QV, trainable_token_indices=TOKENS)),
    "tokens_both": ("llama", dict(target_modules=QV, trainable_token_indices=BOTH)),
    "tokens_head": ("llama", dict(target_modules=["lm_head"], trainable_token_indices={"embed_tokens": TOKENS})),
    "tokens_head_alone": ("qwen2", dict(target_modules=["o_proj"], trainable_token_indices={"lm_head": HEAD})),
    "tokens_tied": ("llama3", dict(target_modules=QV, trainable_token_indices=TOKENS)),
    "tokens_tied_named": ("qwen3", dict(target_modules=QV, trainable_token_indices=BOTH | {"lm_head": TOKENS})),
    "tokens_tied_apart": ("qwen3", dict(target_modules=QV, trainable_token_indices=BOTH)),
    "tokens_tied_head": ("llama3", dict(target_modules=["q_proj", "lm_head"], trainable_token_indices=TOKENS)),
    "tokens_gpt2": ("gpt2", dict(target_modules=GPT2, modules_to_save=["ln_f"], trainable_token_indices=TOKENS)),
}
NO_MERGE = ("embed_alone_tied", "embed_gpt2", "lora_bias_llama", "saved_tied_head", "saved_tied_both")
NO_MERGE += ("tokens_tied_apart", "tokens_tied_head")


def file_name(name):
    """A parameter's name as adapter_model.safetensors spells it."""
    return name.replace(".modules_to_save.default.", ".").replace(".default", "")


def trained(model):
    """[(name, parameter)] of what trains."""
    return [(file_name(n), p) for n, p in model.named_parameters() if p.requires_grad]


def randomise(model, seed):
    """Moves everything that trains, so that a part that were left out would show."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in trained(model):
            parameter.add_(0.15 * torch.randn(parameter.shape, generator=generator))


def train(model, ids, labels):
    """STEPS of AdamW on one document; returns the loss before each."""
    optimiser = torch.optim.AdamW([p for _, p in trained(model)], **{**OPTIMISER, "weight_decay": 0.0})
    losses = []
    for _ in range(STEPS):
        total, count = loss_sum(model(ids[None]).logits[0], labels)
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()
        losses.append(float(total / count))
    return torch.tensor(losses)


def merged(family_folder, adapter):
    """Every weight that merging changes."""
    base = load(family_folder).state_dict()
    result = PeftModel.from_pretrained(load(family_folder), adapter).merge_and_unload().state_dict()
    return {f"merged.{name}": weight for name, weight in result.items() if not torch.equal(weight, base[name])}


def write_case(name, families, root, seed):
    """Writes root/name afresh."""
    family, arguments = CASES[name]
    case, folder = root / name, families / family / "model"
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    ids, labels = draw((TIME,), torch.Generator().manual_seed(seed))
    base = load(folder)
    base.name_or_path = f"lorry-golden/{family}"
    fan = {"fan_in_fan_out": True} if family == "gpt2" else {}
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=6, **fan, **arguments)).eval()
    randomise(model, seed)
    save_adapter(model, case / "adapter")
    model = PeftModel.from_pretrained(load(folder), case / "adapter", is_trainable=True).eval()
    logits = model(ids[None]).logits[0]
    total, count = loss_sum(logits, labels)
    (total / count).backward()
    out = {"input_ids": ids, "labels": labels, "logits": logits, "loss": total / count}
    out |= {f"grad.{n}": p.grad.clone() for n, p in trained(model)}
    start = {n: p.detach().clone() for n, p in trained(model)}
    out["train.losses"] = train(model, ids, labels)
    out |= {f"trained.{n}": p for n, p in trained(model)}
    if name not in NO_MERGE:
        out |= merged(folder, case / "adapter")
    command = f"scripts/golden/beside.py tests/golden/families tests/golden/beside {name}"
    save_reference(case / "reference.safetensors", out, provenance(command, seed))
    stored = load_file(case / "adapter" / "adapter_model.safetensors")
    missing = sorted(set(start) - set(stored))
    moved = min(float((p.detach() - start[n]).norm() / start[n].norm()) for n, p in trained(model))
    print(f"{name}: loss {float(total / count):.4f}, {len(start)} tensors train, {len(stored)} stored, not stored: "
          f"{missing}, moved {moved:.1%} or more")


def main():
    make_deterministic()
    warnings.simplefilter("ignore")
    families, root = Path(sys.argv[1]), Path(sys.argv[2])
    for i, name in enumerate(CASES):
        if not sys.argv[3:] or name in sys.argv[3:]:
            write_case(name, families, root, SEED + i)
    index = {name: {"family": family, "merges": name not in NO_MERGE} for name, (family, _) in CASES.items()}
    (root / "cases.json").write_text(json.dumps(index, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
