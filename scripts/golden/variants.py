"""Writes tests/golden/variants: PEFT's ways of choosing, scaling, starting and forming an update, on the models of families/.

    OMP_NUM_THREADS=1 python scripts/golden/variants.py tests/golden/families tests/golden/variants

adapters/<base>.<case>/ is what PEFT saved. reference.safetensors has, on the documents of families/<base>,
    <case>.logits              [T, V] of document 1, computed from what was saved
    <case>.loss, .grad.<key>   mean over all targets, and its gradient
    <case>.losses              [20] of AdamW on the training batches, where the case trains (STARTS and DORA)
    <case>.start.<module>      [O, I]: scale * B A before the first step, of two modules of each of STARTS
An adapter of STARTS is saved after those steps by `path_initial_model_for_weight_conversion`.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from families import evaluate, gradients, load, train
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from recipes import randomise_adapter
from safetensors.torch import load_file
from support import make_deterministic, provenance, save_adapter, save_reference, sort_targets

SEED = 71
QV = ["q_proj", "v_proj"]
LLAMA_Q1 = "model.layers.1.self_attn.q_proj"

SELECTIONS = {
    "llama.rslora": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=QV),
    "llama.rslora_patterns": dict(r=3, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "down_proj"],
                                  rank_pattern={"down_proj": 2, r"layers\.1\.self_attn\.q_proj": 7},
                                  alpha_pattern={"down_proj": 2.5}),
    "llama.layers": dict(r=2, target_modules=QV, layers_to_transform=[1]),
    "llama.one_layer": dict(r=2, target_modules=QV, layers_to_transform=0),
    "llama.layers_pattern": dict(r=2, target_modules=QV, layers_to_transform=[1, 7], layers_pattern=["h", "layers"]),
    # A module that is named in full is taken whatever its layer is.
    "llama.named_in_full": dict(r=2, target_modules=["v_proj", LLAMA_Q1], layers_to_transform=[0]),
    "llama.excluded": dict(r=2, target_modules="all-linear", exclude_modules=["mlp.up_proj", "k_proj"]),
    "llama.excluded_expression": dict(r=2, target_modules=["q_proj", "o_proj"],
                                      exclude_modules=r"model\.layers\.0\..*q_proj"),
    "llama.both": dict(r=2, target_modules=["o_proj", "up_proj"], exclude_modules=["up_proj"], layers_to_transform=[1]),
    "llama.expression": dict(r=2, target_modules=r".*\.1\.(mlp\.(up|gate)|self_attn\.v)_proj"),
    "gpt2.layers": dict(r=2, target_modules=["c_attn", "c_fc"], layers_to_transform=[1], layers_pattern="h",
                        fan_in_fan_out=True, use_rslora=True),
}

STARTS = {
    "llama.pissa": dict(r=3, lora_alpha=6, init_lora_weights="pissa", target_modules=["q_proj", "down_proj"]),
    "llama.pissa_niter": dict(r=3, lora_alpha=6, init_lora_weights="pissa_niter_400", target_modules=["q_proj", "down_proj"]),
    "llama.pissa_patterns": dict(r=3, lora_alpha=6, init_lora_weights="pissa", target_modules=["q_proj", "down_proj"],
                                 rank_pattern={"down_proj": 2}, alpha_pattern={"down_proj": 3}),
    "llama.pissa_rslora": dict(r=4, lora_alpha=3, use_rslora=True, init_lora_weights="pissa", target_modules=QV),
    "llama.olora": dict(r=3, lora_alpha=6, init_lora_weights="olora", target_modules=["q_proj", "down_proj"]),
    "gpt2.pissa": dict(r=3, lora_alpha=3, init_lora_weights="pissa", target_modules=["c_attn"], fan_in_fan_out=True),
}

DORA = {
    "llama.dora": dict(r=3, lora_alpha=5, use_dora=True, target_modules=["q_proj", "down_proj"]),
    "qwen2.dora": dict(r=3, lora_alpha=5, use_dora=True, target_modules=QV),  # with biases
    "gpt2.dora": dict(r=3, lora_alpha=5, use_dora=True, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True),
    "llama.dora_rslora": dict(r=3, lora_alpha=5, use_dora=True, use_rslora=True, target_modules=["v_proj", "lm_head"],
                              rank_pattern={"v_proj": 2}),
}


def randomise_magnitudes(model, seed):
    """Away from the norms that magnitudes start as: else m / norm is near 1, and a forgotten factor hardly shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, weight in ((n, p) for n, p in model.named_parameters() if "lora_magnitude" in n):
            weight.mul_(1 + 0.3 * torch.randn(weight.shape, generator=generator))


def wrap(families, base, arguments):
    model = load(families / base / "model")
    model.name_or_path = f"lorry-golden/{base}"
    return get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, **arguments)).eval()


def read_back(families, base, folder):
    return PeftModel.from_pretrained(load(families / base / "model"), folder, is_trainable=True).eval()


def documents_of(reference):
    return [(reference[f"document.{i}.input_ids"], reference[f"document.{i}.labels"]) for i in range(3)]


def measure(model, reference, name):
    """Logits, loss and gradients on the documents."""
    out, loss = evaluate(model, documents_of(reference), "x")
    return {f"{name}.logits": out["document.1.logits_x"], f"{name}.loss": loss, **gradients(model, loss, f"{name}.grad.")}


def lora_layers(model):
    return [(n.removeprefix("base_model.model."), m) for n, m in model.named_modules() if hasattr(m, "lora_A")]


def starts(families, out, name, arguments, reference):
    """Trains from a start that changes the base, and saves what goes with the plain base."""
    torch.manual_seed(SEED)  # of the random projections of pissa_niter
    base = name.partition(".")[0]
    model = wrap(families, base, arguments)
    tensors = {}
    for module, layer in lora_layers(model)[:2]:
        product = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        tensors[f"{name}.start.{module}"] = layer.scaling["default"] * product
    with TemporaryDirectory() as first:
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(first)
        tensors[f"{name}.losses"] = train(model, reference["train.input_ids"], reference["train.labels"])
        folder = out / "adapters" / name
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=first)
        save_sorted(folder)
    with torch.no_grad():
        trained, _ = evaluate(model, documents_of(reference), "x")
        plain, _ = evaluate(read_back(families, base, folder), documents_of(reference), "x")
    tensors[f"{name}.logits"] = plain["document.1.logits_x"]
    assert torch.allclose(plain["document.1.logits_x"], trained["document.1.logits_x"], atol=1e-4), name
    return tensors


def save_sorted(folder):
    (folder / "README.md").unlink(missing_ok=True)
    sort_targets(folder / "adapter_config.json")


def main():
    make_deterministic()
    families, out = Path(sys.argv[1]), Path(sys.argv[2])
    shutil.rmtree(out / "adapters", ignore_errors=True)
    tensors = {}
    for i, (name, arguments) in enumerate({**SELECTIONS, **DORA}.items()):
        base = name.partition(".")[0]
        reference = load_file(families / base / "reference.safetensors")
        model = wrap(families, base, arguments)
        randomise_adapter(model, SEED + i)
        randomise_magnitudes(model, SEED + i)
        save_adapter(model, out / "adapters" / name)
        model = read_back(families, base, out / "adapters" / name)
        tensors.update(measure(model, reference, name))
        if name in DORA:
            tensors[f"{name}.losses"] = train(model, reference["train.input_ids"], reference["train.labels"])
            merged = read_back(families, base, out / "adapters" / name).merge_and_unload()
            module = next(iter(lora_layers(model)))[0]
            tensors[f"{name}.merged.{module}"] = merged.get_submodule(module).weight
    for name, arguments in STARTS.items():
        reference = load_file(families / name.partition(".")[0] / "reference.safetensors")
        tensors.update(starts(families, out, name, arguments, reference))
    command = "scripts/golden/variants.py tests/golden/families tests/golden/variants"
    save_reference(out / "reference.safetensors", tensors, provenance(command, SEED))


if __name__ == "__main__":
    main()
