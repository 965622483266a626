"""Checks GGUF files that Lorry merged an adapter into, by the `gguf` package alone.

    OMP_NUM_THREADS=1 python scripts/golden/check_merged_gguf.py LORRY [WORK]

LORRY is the program. Per file of tests/golden/gguf it trains an adapter for some steps, multiplies its B so that the update
is large, and merges it. The package must read the result with the same keys, types and shapes; tensors without an update
must have the same bytes; and of the others the dequantised values less (W + scale B A), worked out here in float64 and put
in llama.cpp's order of rows, must have the norm that `lorry merge --json` says was lost. Prints a line per file; exits 1 if
one failed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.numpy import load_file, save_file

FILES = ("llama-k.gguf", "llama-dense-00001-of-00002.gguf", "qwen2.gguf", "qwen3.gguf", "gpt2.gguf")
NAMES = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down", "c_attn": "attn_qkv", "attn.c_proj": "attn_output",
         "c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
ENLARGED = 30.0
# Sums of a float32 matrix, and a float32 sum over a block.
TOLERANCE = 2e-3


def run(*command):
    """Runs the program; its message is the error."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr.strip()
    return done.stdout


def readers_of(path):
    """Of all parts of a file."""
    parts = sorted(path.parent.glob(path.name.replace("00001-of", "*-of")))
    return [GGUFReader(part) for part in parts]


def keys_of(reader):
    """{key: type and raw values} but for what the package adds and what says how a file is split."""
    return {name: (field.types, [part.tobytes() for part in field.parts[1:]])
            for name, field in reader.fields.items() if not name.startswith(("GGUF.", "split."))}


def as_stored(delta, head):
    """Rows of halves of heads as rows of pairs of neighbours, as llama.cpp's converter turns Llama's q and k."""
    rows, cols = delta.shape
    return delta.reshape(rows // head, 2, head // 2, cols).swapaxes(1, 2).reshape(rows, cols)


def updates_of(adapter, reader):
    """{name in the file: scale B A}."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    tensors = load_file(adapter / "adapter_model.safetensors")
    architecture = bytes(reader.fields["general.architecture"].parts[-1]).decode()
    deltas = {}
    for name, a in tensors.items():
        if not name.endswith(".lora_A.weight"):
            continue
        module = name.removesuffix(".lora_A.weight")
        b = tensors[module + ".lora_B.weight"]
        delta = config["lora_alpha"] / config["r"] * (b.astype(np.float64) @ a.astype(np.float64))
        layer = next(part for part in module.split(".") if part.isdigit())
        theirs = next(theirs for ours, theirs in NAMES.items() if module.endswith("." + ours))
        if architecture == "llama" and theirs in ("attn_q", "attn_k"):
            heads = int(reader.fields["llama.attention.head_count"].parts[-1][0])
            hidden = int(reader.fields["llama.embedding_length"].parts[-1][0])
            delta = as_stored(delta, hidden // heads)
        deltas[f"blk.{layer}.{theirs}.weight"] = delta
    return deltas


def check(lorry, base, work):
    """One file. Returns what was merged, and the largest ratio of what was lost to the update."""
    (work / "data.jsonl").write_text("\n".join(json.dumps({"text": f"one {i} two {i + 1} three"}) for i in range(9)))
    run(lorry, "train", "--model", base, "--data", work / "data.jsonl", "--out", work / "adapter", "--steps", "3",
        "--target-modules", "all-linear", "--rank", "4", "--max-seq-length", "32", "--threads", "1", "--lr", "1e-2")
    weights = work / "adapter" / "adapter_model.safetensors"
    save_file({name: tensor * (ENLARGED if ".lora_B." in name else 1) for name, tensor in load_file(weights).items()},
              weights)
    told = json.loads(run(lorry, "merge", "--model", base, "--adapter", work / "adapter", "--out", work / "merged.gguf",
                          "--json"))
    parts, merged = readers_of(base), GGUFReader(work / "merged.gguf")
    assert keys_of(merged) == keys_of(parts[0]), "other keys"
    before = {tensor.name: tensor for part in parts for tensor in part.tensors}
    assert [tensor.name for tensor in merged.tensors] == list(before), "other tensors"
    deltas = updates_of(work / "adapter", parts[0])
    losses = {one["name"]: one for one in told["tensors"]}
    assert losses.keys() == deltas.keys(), losses.keys() ^ deltas.keys()
    for tensor in merged.tensors:
        old = before[tensor.name]
        assert tensor.tensor_type == old.tensor_type and list(tensor.shape) == list(old.shape), tensor.name
        if tensor.name not in deltas:
            assert tensor.data.tobytes() == old.data.tobytes(), f"{tensor.name}: changed"
            continue
        delta = deltas[tensor.name]
        total = dequantize(old.data, old.tensor_type).reshape(delta.shape) + delta
        lost = np.linalg.norm(dequantize(tensor.data, tensor.tensor_type).reshape(delta.shape) - total)
        said = losses[tensor.name]
        assert abs(said["update_norm"] - np.linalg.norm(delta)) < TOLERANCE * np.linalg.norm(delta), tensor.name
        floor = 1e-6 * np.linalg.norm(total)  # of float32
        assert abs(said["lost_norm"] - lost) < TOLERANCE * lost + floor, (tensor.name, said["lost_norm"], lost)
    return len(deltas), max(one["lost_to_update"] for one in losses.values())


def main():
    lorry, failed = Path(sys.argv[1]).resolve(), 0
    root = Path(__file__).resolve().parents[2] / "tests/golden/gguf"
    for name in FILES:
        with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as work:
            try:
                count, worst = check(lorry, root / name, Path(work))
                print(f"{name}: ok, {count} tensors, lost at most {worst:.3f} of the update")
            except Exception as error:  # the next case is still worth a line
                failed += 1
                print(f"{name}: FAILED: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
