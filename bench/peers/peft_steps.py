"""LoRA steps with peft and torch, each as fast as they go on a CPU: the peer of `lorry train` in bench/compare.

    python bench/peers/peft_steps.py '{"model": DIR, "data": FILE, ...}'

The request is one JSON object: model, data (.jsonl of {"text"} or {"prompt", "completion"}), layout (see below), length, batch,
rank, steps, dtype (bf16, f32), threads, compile, grad_checkpoint, and log, a file that gets a line {"loss", "tokens", "targets"} after
every step. Prints {"peak_rss_bytes"} at the end.

Layouts: "cut": every text cut to `length` tokens, one row each. "padded": records as they are, `batch` at a time, padded to the
longest. "packed": records laid one behind the other and cut into rows of `length`, as TRL packs them ("wrapped"), which lets them see
each other.
"""

import json
import resource
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
IGNORED = -100  # of torch's cross-entropy


def read_records(request, tokenizer):
    """Ids and labels of every record, as Lorry makes them: BOS where the tokenizer has it, EOS behind what is learnt."""
    for line in open(request["data"]):
        record = json.loads(line)
        prompt = tokenizer(record.get("prompt", record.get("text"))).input_ids
        if "completion" not in record:
            ids = prompt + [tokenizer.eos_token_id]
            yield ids, list(ids)
            continue
        answer = tokenizer(record["completion"], add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
        yield prompt + answer, [IGNORED] * len(prompt) + answer


def make_rows(request, tokenizer):
    records, length = list(read_records(request, tokenizer)), request["length"]
    if request["layout"] != "packed":
        return [(ids[:length], labels[:length]) for ids, labels in records]
    ids = [token for record in records for token in record[0]]
    labels = [token for record in records for token in record[1]]
    starts = range(0, len(ids), length)
    return [(ids[start : start + length], labels[start : start + length]) for start in starts]


def make_batch(rows, pad):
    width = max(len(ids) for ids, _ in rows)
    fill = [width - len(ids) for ids, _ in rows]
    batch = {
        "input_ids": torch.tensor([ids + [pad] * more for (ids, _), more in zip(rows, fill)]),
        "labels": torch.tensor([labels + [IGNORED] * more for (_, labels), more in zip(rows, fill)]),
    }
    if any(fill):
        batch["attention_mask"] = torch.tensor([[1] * len(ids) + [0] * more for (ids, _), more in zip(rows, fill)])
    return batch


def main():
    request = json.loads(sys.argv[1])
    torch.set_num_threads(request["threads"])
    torch.manual_seed(1)
    dtype = {"bf16": torch.bfloat16, "f32": torch.float32}[request["dtype"]]
    tokenizer = AutoTokenizer.from_pretrained(request["model"])
    model = AutoModelForCausalLM.from_pretrained(request["model"], dtype=dtype, attn_implementation="sdpa")
    model.config.use_cache = False
    model = get_peft_model(model, LoraConfig(r=request["rank"], lora_alpha=2 * request["rank"], target_modules=LINEAR))
    if request["grad_checkpoint"]:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4, weight_decay=0.0)
    run = torch.compile(model) if request["compile"] else model
    rows, pad = make_rows(request, tokenizer), tokenizer.eos_token_id
    for step in range(request["steps"]):
        first = step * request["batch"]
        chosen = [rows[(first + i) % len(rows)] for i in range(request["batch"])]
        loss = run(**make_batch(chosen, pad)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        line = {"loss": loss.item(), "tokens": sum(len(ids) for ids, _ in chosen),
                "targets": sum(label != IGNORED for _, labels in chosen for label in labels[1:])}
        with open(request["log"], "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
    print(json.dumps({"peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    main()
