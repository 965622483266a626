"""Writes tests/golden/adapters: adapters and configs by PEFT that Lorry must read, and configs that it must refuse.

    OMP_NUM_THREADS=1 python scripts/golden/adapters.py tests/golden/families/llama/model tests/golden/adapters

accepted/<case>/ is an adapter of that model, refused/<case>/ only a config. cases.json says which field of each refused
config Lorry must name; reference.safetensors has input_ids [T] and <case>.logits [T, V] of each accepted one.
pattern_keys.json has which of a rank_pattern's keys counts for a module: {"keys", "module", "key": null for none}.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from families import load
from peft import IA3Config, LoraConfig, PeftModel, TaskType, get_peft_model
from peft.tuners.lora.config import BdLoraConfig, CordaConfig, EvaConfig
from peft.utils.other import get_pattern_key
from recipes import VOCAB, randomise_adapter
from safetensors.torch import load_file, save_file
from support import make_deterministic, provenance, save_adapter, save_reference, sort_targets

SEED, TIME = 41, 12
QV = ["q_proj", "v_proj"]
OLD_KEYS = ("base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights", "lora_alpha",
            "lora_dropout", "modules_to_save", "peft_type", "r", "target_modules", "task_type")

ACCEPTED = {
    "defaults": dict(),  # every one of the 41 fields as it is when nobody touches it, targets chosen by PEFT
    "gaussian": dict(init_lora_weights="gaussian", r=3, lora_alpha=12, target_modules=QV),
    "dropout": dict(lora_dropout=0.1, r=2, target_modules=["down_proj"]),
    "suffixes": dict(r=2, target_modules=["self_attn.q_proj", "layers.1.mlp.up_proj"]),
    "no_task": dict(task_type=None, r=2, target_modules=QV),  # PEFT then fills auto_mapping
    "head": dict(r=2, target_modules=["lm_head", "o_proj"]),  # PEFT then writes the head's base weight too
    "old_keys": dict(r=2, target_modules=QV),  # the twelve keys that PEFT wrote in 2023
    "minimal": dict(target_modules=QV),  # only what PEFT's documentation asks for
    "bf16": dict(r=2, target_modules=QV),
    "f16": dict(r=2, target_modules=QV),
    "unmatched": dict(r=2, target_modules=["query", "q_proj"]),  # PEFT minds a name without a layer only when alone
    # Names, full names, expressions, one that begins with ^, and "q_pro", which ends too early to match anything.
    "patterns": dict(r=4, lora_alpha=8, target_modules="all-linear",
                     rank_pattern={"v_proj": 2, "layers.1.mlp.down_proj": 6, r"layers\.0\.self_attn\.(q|k)_proj": 3,
                                   "^model.layers.1.self_attn.q_proj": 5, "q_pro": 9},
                     alpha_pattern={"mlp.*": 3, "o_proj": 5.5, "layers.1..*": 10}),
    # The first key that matches counts, and here it is not the first in the alphabet.
    "pattern_order": dict(r=2, target_modules=QV, rank_pattern={"q_proj": 3, "layers.1.self_attn.q_proj": 5},
                          alpha_pattern={"v_proj": 6, ".*": 12}),
}

# case: (field that the error must name, arguments)
REFUSED = {
    "layer_replication": ("layer_replication", dict(layer_replication=[[0, 2], [1, 2]])),
    "target_parameters": ("target_parameters", dict(target_parameters=["mlp.experts.down_proj"])),
    "alora": ("alora_invocation_tokens", dict(alora_invocation_tokens=[7, 8])),
    "ensure_weight_tying": ("ensure_weight_tying", dict(ensure_weight_tying=True, modules_to_save=["lm_head"])),
    "megatron": ("megatron_config", dict(megatron_config={"tensor_model_parallel_size": 2})),
    "use_qalora": ("use_qalora", dict(use_qalora=True)),
    "bdlora": ("use_bdlora", dict(use_bdlora=BdLoraConfig(target_modules_bd_a=["q_proj"], nblocks=2))),
    "pissa": ("init_lora_weights", dict(init_lora_weights="pissa")),
    "pissa_niter": ("init_lora_weights", dict(init_lora_weights="pissa_niter_4")),
    "olora": ("init_lora_weights", dict(init_lora_weights="olora")),
    "corda": ("init_lora_weights", dict(init_lora_weights="corda", corda_config=CordaConfig())),
    "eva": ("init_lora_weights", dict(init_lora_weights="eva", eva_config=EvaConfig())),
}

PATTERN_KEYS = (
    ["q_proj", "layers.1.self_attn.q_proj"], ["layers.1.self_attn.q_proj", "q_proj"], ["proj"], ["q_pro"], ["_proj"],
    [".*"], ["layers.1"], ["layers.1.*"], ["^model.layers.1.self_attn.q_proj"], ["^layers.1.self_attn.q_proj"],
    ["model.layers.1.self_attn.q_proj"], ["self.attn.q.proj"], [r"layers\.\d+\.mlp\.up_proj"], ["(q|v)_proj", "mlp.*"],
    ["q_proj|up_proj"], [r"layers\.1\d\..*"], ["Q_PROJ"], ["(?i:Q_PROJ)"], ["lm_head$"], [r"(?!.*head).*"], [""],
    [r"(\w)_proj|h(.)ad"], [r"(a+)+b"], ["q_proj)|(up_proj"],
)
PATTERN_MODULES = ("model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.11.mlp.up_proj",
                   "model.layers.1.self_attn.v_proj", "lm_head", "q_proj")


def rewrite(name, folder):
    """Turns what today's PEFT wrote into what older versions, other trainers or people write."""
    config_path, weights_path = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    config = json.loads(config_path.read_text())
    if name == "old_keys":
        config = {key: config[key] for key in OLD_KEYS}
    if name == "minimal":
        config = {key: config[key] for key in ("peft_type", "target_modules")}
    if name == "pattern_order":  # PEFT sorts keys as it saves and keeps their order as it loads
        for field in ("rank_pattern", "alpha_pattern"):
            config[field] = ACCEPTED[name][field]
    config_path.write_text(json.dumps(config, indent=2))  # sorted as it was read
    if name in ("bf16", "f16"):
        dtype = torch.bfloat16 if name == "bf16" else torch.float16
        weights = {key: weight.to(dtype) for key, weight in load_file(weights_path).items()}
        save_file(weights, weights_path, {"format": "pt"})


def write_accepted(base_folder, out, ids):
    """Writes accepted/<case>/ and returns {<case>.logits: [T, V]}, computed from what was written."""
    logits = {}
    for i, (name, arguments) in enumerate(ACCEPTED.items()):
        folder, base = out / "accepted" / name, load(base_folder)
        base.name_or_path = "lorry-golden/llama"
        model = get_peft_model(base, LoraConfig(**{"task_type": TaskType.CAUSAL_LM, **arguments}))
        randomise_adapter(model, SEED + i)
        save_adapter(model, folder)
        rewrite(name, folder)
        read = PeftModel.from_pretrained(load(base_folder), folder).eval()
        with torch.no_grad():
            logits[f"{name}.logits"] = read(ids[None]).logits[0]
    return logits


def write_refused(out):
    """Writes refused/<case>/adapter_config.json and returns {case: field}."""
    common = dict(task_type="CAUSAL_LM", target_modules=QV, base_model_name_or_path="lorry-golden/llama",
                  inference_mode=True)
    for name, (_, arguments) in REFUSED.items():
        LoraConfig(**common, **arguments).save_pretrained(out / "refused" / name)
    IA3Config(**common, feedforward_modules=[]).save_pretrained(out / "refused" / "ia3")
    for path in (out / "refused").glob("*/adapter_config.json"):
        sort_targets(path)
    return {**{name: field for name, (field, _) in REFUSED.items()}, "ia3": "peft_type"}


def pattern_keys():
    """Which key counts for each module, by the function that PEFT asks."""
    for keys in PATTERN_KEYS:
        for module in PATTERN_MODULES:
            key = get_pattern_key(keys, module)  # the module itself where none matches
            yield {"keys": keys, "module": module, "key": key if key in keys else None}


def main():
    make_deterministic()
    base_folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    for part in ("accepted", "refused"):
        shutil.rmtree(out / part, ignore_errors=True)
    ids = torch.randint(3, VOCAB, (TIME,), generator=torch.Generator().manual_seed(SEED))
    logits = write_accepted(base_folder, out, ids)
    cases = {"accepted": sorted(ACCEPTED), "refused": write_refused(out)}
    (out / "cases.json").write_text(json.dumps(cases, indent=2, sort_keys=True) + "\n")
    (out / "pattern_keys.json").write_text(json.dumps(list(pattern_keys()), indent=1) + "\n")
    command = "scripts/golden/adapters.py tests/golden/families/llama/model tests/golden/adapters"
    save_reference(out / "reference.safetensors", {"input_ids": ids, **logits}, provenance(command, SEED))


if __name__ == "__main__":
    main()
