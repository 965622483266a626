"""Writes tests/golden/analysis: adapters that PEFT trained, a full fine-tune, and numpy's subspace measures of them.

    OMP_NUM_THREADS=1 python scripts/golden/analysis.py tests/golden/families tests/golden/analysis

Everything is computed the plain way in float64: ΔW and W as whole matrices, full SVDs. Names inside reference.safetensors
are in tests/golden/README.md.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from families import draw, load
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from support import loss_sum, make_deterministic, provenance, save_adapter, trainable

STEPS, BATCH, TIME = 30, 2, 24
LR = 5e-3
DIRECTIONS = 8  # of W, in Figure 8

LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GPT2 = ["c_attn", "c_proj", "c_fc"]
# Rank 12 is above the smaller side (8) of k_proj and v_proj of llama_linear.
CASES = {
    "llama_linear": dict(target_modules=LLAMA),
    "llama_bf16": dict(target_modules=LLAMA),
    "gpt2": dict(target_modules=GPT2, fan_in_fan_out=True),
}
ADAPTERS = {f"r{rank}_s{seed}": dict(rank=rank, seed=seed) for rank in (4, 12) for seed in (1, 2)}
PAIRS = [("r4_s1", "r12_s1"), ("r12_s1", "r12_s2"), ("r4_s2", "r4_s1")]
# Ranks and alphas that differ from module to module.
PATTERNS = dict(rank_pattern={"q_proj": 6, "layers.1.mlp.up_proj": 2}, alpha_pattern={"v_proj": 32, "1.mlp.up_proj": 3})


def train(model, seed):
    """STEPS of AdamW on random tokens, the same for every seed: seeds differ in where A starts."""
    generator = torch.Generator().manual_seed(7)
    ids, labels = draw((STEPS, BATCH, TIME), generator)
    optimiser = torch.optim.AdamW([p for _, p in trainable(model)], lr=LR)
    for step in range(STEPS):
        total, count = loss_sum(model(ids[step]).logits, labels[step])
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()


def weight_of(layer):
    """W as [outputs, inputs] in float64, whatever its storage (GPT-2's Conv1D is [inputs, outputs])."""
    weight = layer.weight.detach().double().numpy()
    return weight.T if type(layer).__name__ == "Conv1D" else weight


def train_adapter(folder, out, name, rank, seed, **lora):
    """Trains and saves one adapter; returns {module: (A, B, scale, W)} in float64."""
    base = load(folder)
    base.name_or_path = f"lorry-golden/{folder.parent.name}"
    torch.manual_seed(seed)  # PEFT draws A from the global generator
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=rank, lora_alpha=16, **lora))
    train(model, seed)
    save_adapter(model, out / name)
    found = {}
    for module, layer in model.base_model.model.named_modules():
        if hasattr(layer, "lora_A") and "default" in layer.lora_A:
            a = layer.lora_A["default"].weight.detach().double().numpy()
            b = layer.lora_B["default"].weight.detach().double().numpy()
            found[module] = (a, b, layer.scaling["default"], weight_of(layer.base_layer))
    return found


def tune(folder, out):
    """Trains every weight; returns {module: (W_tuned - W_0, W_0)} of every linear map but a tied head."""
    model, base = load(folder), load(folder)
    train(model, 0)
    model.save_pretrained(out)
    before = dict(base.named_modules())
    return {name: (weight_of(layer) - weight_of(before[name]), weight_of(before[name]))
            for name, layer in model.named_modules()
            if type(layer).__name__ in ("Linear", "Conv1D") and not (name == "lm_head" and model.config.tie_word_embeddings)}


def directions(matrix):
    """Left and right singular vectors and values up to the numerical rank."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    p = int((s > max(matrix.shape) * np.finfo(np.float64).eps * s[0]).sum())
    return u[:, :p], s[:p], vt[:p].T


def phi(u, v):
    """phi(i, j) of all leading subspaces, each by its own norm as the paper writes it."""
    overlaps = u.T @ v
    return np.array([[np.linalg.norm(overlaps[:i, :j]) ** 2 / min(i, j) for j in range(1, v.shape[1] + 1)]
                     for i in range(1, u.shape[1] + 1)])


def similarity(first, second):
    """The four grids of one module of two adapters."""
    (a1, b1, s1, _), (a2, b2, s2, _) = first, second
    left1, _, right1 = directions(s1 * b1 @ a1)
    left2, _, right2 = directions(s2 * b2 @ a2)
    return {"phi_a": phi(directions(a1)[2], directions(a2)[2]), "phi_b": phi(directions(b1)[0], directions(b2)[0]),
            "phi_row": phi(right1, right2), "phi_column": phi(left1, left2)}


def measures(delta, weight):
    """Singular values of ΔW, Table 7 and Figure 8 of one module."""
    left, s, right = directions(delta)
    r = len(s)
    w_left, w_s, w_right = np.linalg.svd(weight, full_matrices=False)
    projected = np.linalg.norm(left.T @ weight @ right)
    shares = s / s.sum()
    w = min(DIRECTIONS, len(w_s))
    return {"singular_values": s, "delta_norm": np.linalg.norm(delta), "weight_norm": np.linalg.norm(weight),
            "projected_delta": projected, "projected_weight": np.linalg.norm(w_left[:, :r].T @ weight @ w_right.T[:, :r]),
            "amplification": np.linalg.norm(delta) / projected, "stable_rank": (s**2).sum() / s[0] ** 2,
            "effective_rank": np.exp(-(shares * np.log(shares)).sum()),
            "phi_left": phi(w_left[:, :w], left), "phi_right": phi(w_right.T[:, :w], right)}


def write_case(name, lora, root, out):
    """Writes out/name afresh."""
    folder, case = root / name / "model", out / name
    shutil.rmtree(case, ignore_errors=True)
    case.mkdir(parents=True)
    adapters = {key: train_adapter(folder, case, key, **spec, **lora) for key, spec in ADAPTERS.items()}
    tensors = {}

    def put(prefix, values):
        tensors.update({f"{prefix}.{key}": np.atleast_1d(np.ascontiguousarray(v, np.float64)) for key, v in values.items()})

    if name == "llama_linear":
        adapters["patterns"] = train_adapter(folder, case, "patterns", 4, 3, **lora, **PATTERNS)
    for key, modules in adapters.items():
        for module, (a, b, scale, weight) in modules.items():
            put(f"{key}.{module}", measures(scale * b @ a, weight))
    for x, y in PAIRS:
        for module in adapters[x]:
            put(f"{x}-{y}.{module}", similarity(adapters[x][module], adapters[y][module]))
    if name != "llama_bf16":
        for module, (delta, weight) in tune(folder, case / "tuned").items():
            put(f"tuned.{module}", measures(delta, weight))
    command = f"scripts/golden/analysis.py tests/golden/families tests/golden/analysis {name}"
    meta = provenance(command, 7, numpy=np.__version__, optimiser=f"AdamW, lr {LR}, {STEPS} steps")
    save_file({key: tensors[key] for key in sorted(tensors)}, case / "reference.safetensors", meta)
    print(f"{name}: {len(tensors)} tensors")


def main():
    make_deterministic()
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name in sys.argv[3:] or CASES:
        write_case(name, CASES[name], root, out)


if __name__ == "__main__":
    main()
