"""Checks GGUF adapters against llama.cpp: trained and exported by Lorry, they continue texts as Lorry does.

    python scripts/golden/check_gguf_adapter.py LORRY FOLDER [CASE...]

LORRY is the program; FOLDER a place for tiny models and adapters. For each architecture: writes a random F32 GGUF model with the
`gguf` package, trains an adapter on it with Lorry, exports it, and lets llama.cpp, with the exported adapter, and transformers,
with PEFT's, continue prompts by the likeliest token, in float32. Says at how many tokens the model alone differs, since an
adapter that changes nothing would pass. Needs llama-cpp-python, which is built from source (pip install llama-cpp-python) and is
not among the requirements. Prints one line per case; exits 1 if one differs.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf_cases import CASES, VOCAB
from gguf_files import add_sizes, add_tensors
from gguf_tokens import CORPUS, byte_level, sentence_piece
from llama_cpp import Llama
from peft import PeftModel
from recipes import randomise
from support import make_deterministic
from transformers import AutoModelForCausalLM

PROMPTS = ["The small fox", "Once upon a time", "for (int i", "In 1984, 12345", "the end of the"]
TOKENS = 40
GGML_F32 = 0  # of llama.cpp's cache


@dataclass
class Trained:
    """A base of gguf_cases.py, all F32, and how its adapter is trained."""

    base: str
    options: list = field(default_factory=list)
    folds: bool = False  # scales of layers differ
    # Largest difference of transformers' and llama.cpp's, over the largest logit: both sum in float32.
    logits: float = 1e-5


ADAPTERS = {
    # q and k permuted (and their ranks and scales differ), two layers, Llama 3's frequencies.
    "llama": Trained("llama-dense", ["--target-modules", "all-linear", "--use-rslora", "--rank-pattern", "q_proj=2",
                                     "--rank-pattern", "k_proj=6", "--rank-pattern", "down_proj=5"],
                     folds=True),
    # Untied: embedding and head too.
    "qwen2": Trained("qwen2", ["--target-modules", "q_proj,v_proj,o_proj,gate_proj,down_proj,embed_tokens,lm_head"]),
    "qwen3": Trained("qwen3", ["--target-modules", "all-linear", "--alpha-pattern", "v_proj=3"], folds=True),
    # llama.cpp looks GELU up in a table of float16.
    "gpt2": Trained("gpt2", ["--target-modules", "all-linear"], logits=1e-3),
    # Parts of the fused map, which the file holds as one update.
    "gpt2-parts": Trained("gpt2", ["--target-modules", "q_proj,v_proj"], logits=1e-3),
}


def run(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def write_base(case, path):
    """A random model all in F32. Returns it as transformers has it."""
    model = AutoModelForCausalLM.from_config(case.config, dtype=torch.float32, attn_implementation="eager").eval()
    randomise(model, case.seed)
    writer = gguf.GGUFWriter(path, case.arch)
    add_sizes(writer, case.config, case.arch)
    if case.tokenizer == "sentencepiece":
        sentence_piece(writer, VOCAB)
    else:
        byte_level(writer, case.tokenizer, VOCAB)
    add_tensors(writer, case, model, np.random.default_rng(case.seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def open_llama(base, adapter=None):
    return Llama(str(base), lora_path=adapter and str(adapter), n_ctx=128, n_batch=128, n_threads=1, logits_all=True,
                 verbose=False, type_k=GGML_F32, type_v=GGML_F32, flash_attn=False)


def greedy(next_logits, ids, ends):
    """Ids that follow, before the first of `ends`."""
    out = []
    while len(out) < TOKENS:
        token = int(np.argmax(next_logits(ids + out)))
        if token in ends:
            break
        out.append(token)
    return out


def of_llama(model, ids):
    model.reset()
    model.eval(ids)
    return np.array(model.scores[len(ids) - 1])


@torch.no_grad()
def of_transformers(model, ids):
    return model(torch.tensor([ids])).logits[0, -1].numpy()


def by_lorry(lorry, base, adapter, prompt):
    """What it prints, and how many tokens it read and wrote."""
    out = json.loads(run(lorry, "generate", "--model", base, "--adapter", adapter, "--prompt", prompt, "--max-new-tokens", TOKENS,
                         "--dtype", "f32", "--threads", 1, "--json"))
    return out["text"], out["prompt_tokens"], out["new_tokens"]


def train(lorry, base, folder, options):
    shutil.rmtree(folder, ignore_errors=True)
    data = folder.parent / "corpus.jsonl"
    data.write_text("".join(json.dumps({"text": line}) + "\n" for line in CORPUS.split("\n") if line))
    run(lorry, "train", "--model", base, "--data", data, "--out", folder, "--dtype", "f32", "--threads", 1, "--max-seq-length", 64,
        "--steps", 40, "--lr", "1e-2", "--rank", 4, "--report-to", "none", *options)


def check(lorry, root, name):
    case = ADAPTERS[name]
    base_case = replace(CASES[case.base], types={}, otherwise=gguf.GGMLQuantizationType.F32, files=1)
    base, adapter, exported = root / f"{case.base}.gguf", root / name, root / f"{name}-lora.gguf"
    theirs = write_base(base_case, base)
    train(lorry, base, adapter, case.options)
    report = json.loads(run(lorry, "export", "--format", "gguf", "--model", base, "--adapter", adapter, "--out", exported, "--json"))
    assert (report["folded"] > 0) == case.folds, report
    alone, tuned = open_llama(base), open_llama(base, exported)
    theirs = PeftModel.from_pretrained(theirs, adapter).eval()
    ends = {alone.token_eos()}
    tokens = changed = 0
    difference = 0.0
    wrong = []
    for prompt in PROMPTS:
        ids = alone.tokenize(prompt.encode(), add_bos=True, special=True)
        plain = greedy(lambda all_ids: of_llama(alone, all_ids), ids, ends)
        want = greedy(lambda all_ids: of_transformers(theirs, all_ids), ids, ends)
        got = greedy(lambda all_ids: of_llama(tuned, all_ids), ids, ends)
        reference = of_transformers(theirs, ids)
        difference = max(difference, float(np.abs(of_llama(tuned, ids) - reference).max() / np.abs(reference).max()))
        text, read, written = by_lorry(lorry, base, adapter, prompt)
        assert read == len(ids), (name, prompt, read, ids)
        if got != want or written != len(got) or text != tuned.detokenize(got).decode(errors="replace"):
            wrong.append((prompt, got, want, text))
        tokens += len(got)
        changed += sum(1 for i, token in enumerate(got) if i >= len(plain) or plain[i] != token)
    ok = not wrong and changed > tokens / 2 and difference < case.logits
    print(f"{name}: {len(PROMPTS)} prompts, {tokens} tokens, {len(wrong)} texts differ; without the adapter {changed} tokens would; "
          f"logits within {difference:.1e}: {'ok' if ok else f'FAILED {wrong}'}", flush=True)
    return ok


def main():
    make_deterministic()
    lorry, root = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    root.mkdir(parents=True, exist_ok=True)
    results = [check(lorry, root, name) for name in sys.argv[3:] or ADAPTERS]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
