"""Writes tests/golden/quantized/merged: what PEFT's merge_and_unload makes of quantised models and an adapter.

    OMP_NUM_THREADS=1 python scripts/golden/merged_quantized.py tests/golden/quantized

Per family of quantized.py: merged/FAMILY/adapter, an adapter that PEFT saved, with B far from zero; and
merged/FAMILY/FORMAT.safetensors: `values.<tensor>`, float32, of every adapted matrix after merging, quantised again and
dequantised. bitsandbytes' portable code unpacks to float32 (see quantized.dequantised_nf4), so that sums are exact.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # bitsandbytes would compile its portable code for each shape

import bitsandbytes
import bitsandbytes.functional as bnb
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from quantized import FAMILIES, FORMATS, dequantised, dequantised_nf4
from support import make_deterministic, provenance, save_adapter, save_reference
from transformers import AutoModelForCausalLM

COMMAND = "scripts/golden/merged_quantized.py tests/golden/quantized"
SEED = 83
TARGETS = {"llama": ["k_proj", "v_proj"], "gpt2": ["c_attn", "mlp.c_proj"]}


def load(folder):
    """The quantised model of a folder."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, device_map="cpu")


def write_adapter(base, targets, folder):
    """An adapter on `base`, a dense model, that changes W by about a third."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM",
                        fan_in_fan_out=hasattr(base, "transformer"))
    torch.manual_seed(SEED)
    model = get_peft_model(base, config)
    for name, tensor in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(tensor, std=0.1)
    model.peft_config["default"].base_model_name_or_path = "../../../dense"
    save_adapter(model, folder)


@torch.no_grad()
def merged_values(folder, adapter):
    """{tensor: values} of the adapted matrices after PEFT merged them."""
    model = PeftModel.from_pretrained(load(folder), adapter)
    adapted = {n.removeprefix("base_model.model.") for n, m in model.named_modules() if hasattr(m, "lora_A")}
    merged = model.merge_and_unload()
    values = {n: dequantised(m) for n, m in merged.named_modules() if n in adapted}
    assert len(values) == 2 and all(v is not None for v in values.values()), values.keys()
    return {f"values.{n}.weight": v.float() for n, v in values.items()}


def main():
    make_deterministic()
    root = Path(sys.argv[1])
    bnb.dequantize_4bit = lambda codes, quant_state, **_: dequantised_nf4(codes, quant_state)
    shutil.rmtree(root / "merged", ignore_errors=True)
    for family in FAMILIES:
        out = root / "merged" / family
        out.mkdir(parents=True)
        dense = AutoModelForCausalLM.from_pretrained(root / family / "dense", dtype=torch.float32)
        write_adapter(dense, TARGETS[family], out / "adapter")
        for name in FORMATS:
            values = merged_values(root / family / name, out / "adapter")
            metadata = provenance(COMMAND, SEED, bitsandbytes=bitsandbytes.__version__)
            save_reference(out / f"{name}.safetensors", values, metadata)
            print(family, name, {n: tuple(v.shape) for n, v in values.items()})


if __name__ == "__main__":
    main()
