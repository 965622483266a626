"""Checks folders that Lorry quantised: transformers with bitsandbytes loads them, and has the values Lorry has.

    OMP_NUM_THREADS=1 python scripts/golden/check_quantized.py LORRY [WORK]

LORRY is the program. For every family of tests/golden/quantized and every format it quantises FAMILY/dense, loads the
result by from_pretrained without a warning, and compares with what transformers itself quantises from FAMILY/dense:
codes equal, values and logits equal; then has Lorry inspect what transformers saves of its own (transformers 5.23 cannot
save a model that it loaded quantised). Prints one line per check; exits 1 if one failed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # bitsandbytes would compile its portable code for each shape

import torch
from check_interchange import refuse_warnings, relative
from quantized import FAMILIES, FORMATS, TOKENS, VOCAB, dequantised
from support import make_deterministic
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

FLAGS = {"nf4": ["--no-double-quant"], "nf4_double": [], "int8": ["--format", "int8"]}
LOGITS = 1e-6  # relative: the same codes on the same code


def run(*command):
    """Runs the program; its message is the error."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip()
    return done.stdout


def without_packing(model):
    """The model in training mode but without dropout.

    In evaluation bitsandbytes 0.50 repacks NF4 weights for AVX-512, and fails where a height is no multiple of 32.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.train()


@torch.no_grad()
def check(lorry, dense, name, work):
    """One family in one format. Returns the number of matrices."""
    run(lorry, "quantize", "--model", dense, "--out", work / "lorry", *FLAGS[name])
    own = without_packing(
        AutoModelForCausalLM.from_pretrained(work / "lorry", dtype=torch.bfloat16, device_map="cpu"))
    theirs = without_packing(AutoModelForCausalLM.from_pretrained(
        dense, dtype=torch.bfloat16, device_map="cpu",
        quantization_config=BitsAndBytesConfig(**FORMATS[name], bnb_4bit_compute_dtype=torch.bfloat16)))
    count = 0
    for (module_name, module), (_, other) in zip(own.named_modules(), theirs.named_modules(), strict=True):
        values = dequantised(module)
        if values is None:
            continue
        count += 1
        assert torch.equal(module.weight.data, other.weight.data), f"{module_name}: other codes"
        difference = relative(values, dequantised(other))
        assert difference <= 1e-6, f"{module_name}: values differ by {difference:.1e}"
    ids = torch.randint(3, VOCAB, (1, TOKENS), generator=torch.Generator().manual_seed(3))
    difference = relative(own(ids).logits.float(), theirs(ids).logits.float())
    assert difference <= LOGITS, f"logits differ by {difference:.1e}"
    theirs.save_pretrained(work / "theirs")
    run(lorry, "inspect", work / "theirs")
    return count


def main():
    make_deterministic()
    lorry, failed = Path(sys.argv[1]).resolve(), 0
    root = Path(__file__).resolve().parents[2] / "tests/golden/quantized"
    refuse_warnings()
    for family in FAMILIES:
        for name in FORMATS:
            with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as work:
                try:
                    print(f"{family} {name}: ok, {check(lorry, root / family / 'dense', name, Path(work))} matrices")
                except Exception as error:  # the next case is still worth a line
                    failed += 1
                    print(f"{family} {name}: FAILED: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
