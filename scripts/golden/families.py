"""Writes tests/golden/families: one tiny random model per family, a PEFT adapter, and what both compute in float32.

    OMP_NUM_THREADS=1 python scripts/golden/families.py tests/golden/families [CASE...]

The layout of each case and the names inside reference.safetensors are in tests/golden/README.md.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from recipes import RECIPES, VOCAB, randomise, randomise_adapter
from safetensors.torch import load_file, save_file
from support import (IGNORED, loss_sum, make_deterministic, provenance, save_adapter, save_reference, trainable)
from transformers import AutoConfig, AutoModelForCausalLM

LENGTHS = (40, 17, 29)  # tokens per document
STEPS, BATCH, TIME = 20, 2, 24
OPTIMISER = dict(lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
PROMPT, NEW_TOKENS = 5, 16
MIN_MARGIN = 2e-3  # the best logit beats the second by this: another summation order must not change a greedy token


def load(folder):
    """The stored model in float32 with the plainest attention; fails if a weight is missing or has no place."""
    model, info = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"], info
    return model.eval()


def draw(shape, generator):
    """Token ids (never BOS or EOS) and labels of the same shape, with a quarter of the labels masked."""
    ids = torch.randint(3, VOCAB, shape, generator=generator)
    hidden = torch.rand(shape, generator=generator) < 0.25
    return ids, ids.masked_fill(hidden, IGNORED)


def write_model(recipe, case):
    """Writes case/model and case/config_old.json. Returns nothing: references come from what was written."""
    model = AutoModelForCausalLM.from_config(recipe.config, dtype=torch.float32)
    randomise(model, recipe.seed)
    model.to(recipe.dtype).save_pretrained(case / "model", max_shard_size=recipe.max_shard_size)
    config = json.loads((case / "model" / "config.json").read_text())
    old = {**config, **recipe.old}
    # None removes a key; a hub folder does write a null rope_scaling or sliding_window.
    kept = {k: v for k, v in old.items() if v is not None or k in ("rope_scaling", "sliding_window")}
    (case / "config_old.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    if recipe.extra_layout == "inv_freq":
        add_inv_freq(case / "model" / "model.safetensors", recipe.config)
    if recipe.extra_layout == "hub":
        write_hub_layout(case)


def add_inv_freq(path, config):
    """Adds the rotary buffers of old Llama folders. They hold no news, so they are written wrong on purpose."""
    weights = load_file(path)
    for layer in range(config.num_hidden_layers):
        weights[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.full((4,), 7.0)
    save_file(weights, path, {"format": "pt"})


def write_hub_layout(case):
    """case/model_hub: the same GPT-2 as its first upload spells it: no `transformer.` prefix, causal masks as weights."""
    folder = case / "model_hub"
    folder.mkdir()
    shutil.copy(case / "config_old.json", folder / "config.json")
    weights = {k.removeprefix("transformer."): v for k, v in load_file(case / "model" / "model.safetensors").items()}
    for layer in range(2):
        weights[f"h.{layer}.attn.bias"] = torch.ones(64, 64).tril().reshape(1, 1, 64, 64)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def evaluate(model, documents, suffix):
    """Logits and loss sum of each document alone, and the mean over all targets (which carries the graph)."""
    out, total, count = {}, 0.0, 0
    for i, (ids, labels) in enumerate(documents):
        logits = model(ids[None]).logits[0]
        part, targets = loss_sum(logits, labels)
        total, count = total + part, count + targets
        out[f"document.{i}.logits_{suffix}"] = logits
        out[f"document.{i}.loss_sum_{suffix}"] = part
    loss = total / count
    out[f"loss_{suffix}"] = loss
    return out, loss


def gradients(model, loss, prefix):
    """d(loss)/d(weight) of everything that trains."""
    model.zero_grad()
    loss.backward()
    return {prefix + name: weight.grad.clone() for name, weight in trainable(model)}


def train(model, ids, labels):
    """STEPS of AdamW on given batches [STEPS, BATCH, TIME]; returns the loss before each step."""
    optimiser = torch.optim.AdamW([p for _, p in trainable(model)], **OPTIMISER)
    losses = []
    for step in range(STEPS):
        total, count = loss_sum(model(ids[step]).logits, labels[step])
        ours = total / count
        assert abs(float(ours.detach()) - float(model(ids[step], labels=labels[step]).loss.detach())) < 1e-5
        optimiser.zero_grad()
        ours.backward()
        optimiser.step()
        losses.append(ours.item())
    return torch.tensor(losses)


@torch.no_grad()
def greedy(model, prompt):
    """The likeliest continuation [NEW_TOKENS], recomputed in full at each token, and its closest call in logits."""
    ids, margin = prompt.clone(), float("inf")
    for _ in range(NEW_TOKENS):
        best = model(ids[None]).logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        ids = torch.cat([ids, best.indices[:1]])
    return ids[len(prompt):], margin


def generate(model, generator):
    """A prompt [PROMPT] whose greedy continuations, with and without adapter, meet no near tie; and both of these."""
    while True:
        prompt = torch.randint(3, VOCAB, (PROMPT,), generator=generator)
        adapter, adapter_margin = greedy(model, prompt)
        with model.disable_adapter():
            base, base_margin = greedy(model, prompt)
        both = torch.cat([base, adapter])
        stops = model.config.eos_token_id in both  # Lorry ends at EOS, these references would not
        if min(adapter_margin, base_margin) > MIN_MARGIN and len(both.unique()) > 8 and not stops:
            return {"generate.prompt": prompt, "generate.base": base, "generate.adapter": adapter}


def full_references(case, documents, ids, labels):
    """Gradients of every weight of the base model, and the losses of training them all."""
    model = load(case / "model")
    _, loss = evaluate(model, documents, "base")
    out = gradients(model, loss, "full_grad.")
    return {**out, "full_train.losses": train(model, ids, labels)}


@torch.no_grad()
def merged_references(case, documents, want):
    """Weights after merge_and_unload, and a check that the merged model still computes what base + adapter does."""
    base = load(case / "model").state_dict()
    merged = PeftModel.from_pretrained(load(case / "model"), case / "adapter").merge_and_unload()
    got, _ = evaluate(merged, documents, "adapter")
    for i in range(len(documents)):
        name = f"document.{i}.logits_adapter"
        assert torch.allclose(got[name], want[name], rtol=1e-4, atol=1e-4), name
    return {f"merged.{n}": w for n, w in merged.state_dict().items() if not torch.equal(w, base[n])}


def check_other_layouts(case, documents, want):
    """The old spelling and the hub layout must load to the same model."""
    shutil.copytree(case / "model", case / "tmp")
    shutil.copy(case / "config_old.json", case / "tmp" / "config.json")
    AutoConfig.from_pretrained(case / "tmp")
    for folder in [case / "tmp"] + [p for p in (case / "model_hub",) if p.exists()]:
        got, _ = evaluate(load(folder), documents, "base")
        assert torch.equal(got["document.0.logits_base"], want["document.0.logits_base"]), folder
    shutil.rmtree(case / "tmp")


def write_case(name, root):
    """Writes root/name afresh."""
    recipe, case = RECIPES[name], root / name
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    write_model(recipe, case)

    generator = torch.Generator().manual_seed(recipe.seed)
    documents = [draw((length,), generator) for length in LENGTHS]
    ids, labels = draw((STEPS, BATCH, TIME), generator)
    out = {"train.input_ids": ids, "train.labels": labels}
    for i, (document_ids, document_labels) in enumerate(documents):
        out |= {f"document.{i}.input_ids": document_ids, f"document.{i}.labels": document_labels}

    base = load(case / "model")
    out |= evaluate(base, documents, "base")[0]
    check_other_layouts(case, documents, out)

    base.name_or_path = f"lorry-golden/{name}"
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **recipe.lora)).eval()
    randomise_adapter(model, recipe.seed)
    save_adapter(model, case / "adapter")
    tensors, loss = evaluate(model, documents, "adapter")
    out |= tensors | gradients(model, loss, "grad.")
    out |= generate(model, generator)
    out |= merged_references(case, documents, out)
    out["train.losses"] = train(model, ids, labels)
    out |= {f"trained.{n}": p for n, p in trainable(model)}
    if recipe.full:
        out |= full_references(case, documents, ids, labels)
    command = f"scripts/golden/families.py tests/golden/families {name}"
    save_reference(case / "reference.safetensors", out, provenance(command, recipe.seed, optimiser=OPTIMISER))
    start = load_file(case / "adapter" / "adapter_model.safetensors")
    moved = min(float((p.detach() - start[n]).norm() / start[n].norm()) for n, p in trainable(model))
    print(f"{name}: loss {out['loss_base']:.4f}, with adapter {out['loss_adapter']:.4f}; 20 steps moved every tensor by "
          f"{moved:.1%} or more")


def main():
    make_deterministic()
    root = Path(sys.argv[1])
    for name in sys.argv[2:] or RECIPES:
        write_case(name, root)


if __name__ == "__main__":
    main()
