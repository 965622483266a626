"""Writes tests/golden/training: 100 steps of PEFT on stories260k with Shakespeare, for Lorry to repeat.

    OMP_NUM_THREADS=1 python scripts/golden/training.py DATA tests/golden/training

DATA holds stories260k/ and text/tinyshakespeare.txt. The text is one document, BOS at its start and EOS at its end,
cut into windows of WINDOW tokens; the rest shorter than a window is dropped. Inside a window every token but the first
is a target. The last HELD_OUT windows are never trained on.
"""

import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from support import loss_sum, make_deterministic, provenance, save_adapter, save_reference, trainable
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

SEED, WINDOW, HELD_OUT = 260, 128, 64
STEPS, BATCH = 100, 4
OPTIMISER = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
LORA = dict(r=8, lora_alpha=16, lora_dropout=0.0,
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])


def cut_windows(data):
    """Token ids [windows, WINDOW] of the whole text, and how many tokens it has with BOS and EOS."""
    tokenizer = Tokenizer.from_file(str(data / "stories260k" / "tokenizer.json"))
    text = (data / "text" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    ids = tokenizer.encode(text).ids + [tokenizer.token_to_id("</s>")]
    assert ids[0] == tokenizer.token_to_id("<s>") and ids[1] != ids[0]
    count = len(ids) // WINDOW
    return torch.tensor(ids[: count * WINDOW]).reshape(count, WINDOW), len(ids)


@torch.no_grad()
def held_out_loss(model, windows):
    """Mean loss in nats per target over all windows."""
    parts = [loss_sum(model(window[None]).logits, window[None]) for window in windows]
    return sum(float(part) for part, _ in parts) / sum(count for _, count in parts)


def train(model, windows, order):
    """AdamW at a constant rate; order [STEPS, BATCH] names the windows. Returns the loss before each step."""
    optimiser = torch.optim.AdamW([p for _, p in trainable(model)], **OPTIMISER)
    losses = []
    for indices in order:
        batch = windows[indices]
        total, count = loss_sum(model(batch).logits, batch)
        optimiser.zero_grad()
        (total / count).backward()
        optimiser.step()
        losses.append(float(total.detach()) / count)
    return losses


def main():
    make_deterministic()
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    windows, tokens = cut_windows(data)
    torch.manual_seed(SEED)
    order = torch.randperm(len(windows) - HELD_OUT)[: STEPS * BATCH].reshape(STEPS, BATCH)
    model = AutoModelForCausalLM.from_pretrained(data / "stories260k", dtype=torch.float32,
                                                 attn_implementation="eager")
    model.name_or_path = "stories260k"
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA)).eval()
    save_adapter(model, out / "adapter")  # as it starts: B = 0

    base = held_out_loss(model, windows[-HELD_OUT:])
    losses = train(model, windows, order)
    final = held_out_loss(model, windows[-HELD_OUT:])
    reference = {"order": order, "losses": torch.tensor(losses), "held_out_losses": torch.tensor([base, final]),
                 "token_count": torch.tensor(tokens), "window_count": torch.tensor(len(windows)),
                 "first_window": windows[0], "last_window": windows[-1]}
    more = dict(window=WINDOW, held_out=HELD_OUT, optimiser=OPTIMISER)
    save_reference(out / "reference.safetensors", reference,
                   provenance("scripts/golden/training.py DATA tests/golden/training", SEED, **more))
    print(f"{len(windows)} windows; loss {losses[0]:.4f} -> {losses[-1]:.4f}; held out {base:.4f} -> {final:.4f}")


if __name__ == "__main__":
    main()
