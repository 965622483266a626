"""Checks what Lorry wrote against PEFT and transformers: adapters load without a word and compute the same.

    OMP_NUM_THREADS=1 python scripts/golden/check_interchange.py WRITTEN [FAMILIES]

WRITTEN holds folders named after a case of FAMILIES (tests/golden/families), alone or with ".something", each with any of
    adapter/              an adapter written by Lorry
    logits.safetensors    document.<i>.logits [T, V]: what Lorry computes with it, in float32, on the case's documents
    merged/               the model folder into which Lorry merged that adapter
Any warning or log line of PEFT or transformers is an error. Prints one line per check; exits 1 if one failed.
"""

import json
import logging
import sys
import warnings
from pathlib import Path

import torch
import transformers
from families import LENGTHS, load
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file
from support import make_deterministic

LOGITS = 1e-4  # relative to the largest logit, as issue 2 asks
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11}  # of a merged weight, relative


class Refuse(logging.Handler):
    """Turns log lines of warning level into errors."""

    def emit(self, record):
        raise RuntimeError(f"{record.name}: {record.getMessage()}")


def refuse_warnings():
    """From here on a warning, by either road, is an exception."""
    transformers.utils.logging.set_verbosity_warning()
    for name in ("transformers", "peft"):
        logging.getLogger(name).addHandler(Refuse(level=logging.WARNING))
    warnings.simplefilter("error")
    # PEFT itself calls this deprecated name of transformers, whatever it loads.
    # PEFT takes the bias of its own lora_bias for a damaged B when it lists an adapter.
    warnings.filterwarnings("ignore", message=r".*lora_B\.bias:")
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)


def relative(got, want):
    """Largest difference over the largest value."""
    assert got.shape == want.shape, f"shape {list(got.shape)}; expected {list(want.shape)}"
    return float((got.double() - want.double()).abs().max() / want.double().abs().max())


def check_parts(path):
    """Where the header says that a fused map was adapted by parts, B is zero between them and nowhere inside."""
    with safe_open(path, "pt") as file:
        record = json.loads((file.metadata() or {}).get("lorry.fused_parts", "{}"))
        for module, parts in record.items():
            b = file.get_tensor(f"base_model.model.{module}.lora_B.weight")
            own, rank = torch.zeros_like(b, dtype=torch.bool), 0
            for part in parts:
                first = part["first_output"]
                own[first:first + part["outputs"], rank:rank + part["rank"]] = True
                rank += part["rank"]
            assert rank == b.shape[1], f"{module}: parts of {rank} ranks, B has {b.shape[1]}"
            assert torch.equal(b != 0, own), f"{module}: zeros are not where the header says"
    return len(record)


@torch.no_grad()
def check_adapter(case, written):
    """PEFT with Lorry's adapter computes Lorry's logits. Returns the worst difference."""
    by_parts = check_parts(written / "adapter" / "adapter_model.safetensors")
    assert bool(by_parts) == (".parts" in written.name), f"{by_parts} maps adapted by parts"
    model = PeftModel.from_pretrained(load(case / "model"), written / "adapter").eval()
    known = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    extra = load_file(written / "adapter" / "adapter_model.safetensors").keys() - known
    assert not extra, f"PEFT silently skips {sorted(extra)}"
    reference, lorry = load_file(case / "reference.safetensors"), load_file(written / "logits.safetensors")
    worst = 0.0
    for i in range(len(LENGTHS)):
        logits = model(reference[f"document.{i}.input_ids"][None]).logits[0]
        assert relative(logits, reference[f"document.{i}.logits_base"]) > 0.01, "the adapter changes nothing"
        worst = max(worst, relative(lorry[f"document.{i}.logits"], logits))
    assert worst <= LOGITS, f"logits differ by {worst:.1e}"
    return worst


@torch.no_grad()
def check_merged(case, written):
    """Lorry's merged folder holds the weights of merge_and_unload, in the base's stored type. Returns the worst."""
    want = PeftModel.from_pretrained(load(case / "model"), written / "adapter").merge_and_unload().state_dict()
    stored = transformers.AutoModelForCausalLM.from_pretrained(written / "merged", dtype="auto").state_dict()
    base = transformers.AutoModelForCausalLM.from_pretrained(case / "model", dtype="auto").state_dict()
    assert stored.keys() == want.keys(), "not the same tensors"
    worst = 0.0
    for name, weight in stored.items():
        assert weight.dtype == base[name].dtype, f"{name} is {weight.dtype}; expected {base[name].dtype}"
        difference = relative(weight, want[name])
        assert difference <= ROUNDING[weight.dtype], f"{name} differs by {difference:.1e}"
        worst = max(worst, difference)
    return worst


def main():
    make_deterministic()
    refuse_warnings()
    written = Path(sys.argv[1])
    families = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/golden/families")
    done, failed = 0, 0
    for folder in sorted(path for path in written.iterdir() if path.is_dir()):
        case = families / folder.name.partition(".")[0]
        for part, check in (("adapter", check_adapter), ("merged", check_merged)):
            if not (folder / part).is_dir():
                continue
            done += 1
            try:
                verdict = f"ok, differs by {check(case, folder):.1e}"
            except Exception as error:  # the next case is still worth a line
                failed, verdict = failed + 1, f"FAILED: {type(error).__name__}: {error}"
            print(f"{folder.name} {part}: {verdict}")
    print(f"{done} checks, {failed} failed")
    sys.exit(1 if failed or not done else 0)


if __name__ == "__main__":
    main()
