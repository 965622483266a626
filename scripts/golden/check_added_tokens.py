"""Checks an adapter that Lorry trained with --add-tokens by the way back that PEFT documents.

    OMP_NUM_THREADS=1 python scripts/golden/check_added_tokens.py MODEL ADAPTER TEXT LOSS

Loads MODEL, resizes it to the tokenizer in ADAPTER where it has fewer rows, loads ADAPTER with every warning of PEFT an
error, and compares the mean loss on TEXT and EOS with LOSS: what `lorry eval --json --dtype f32` says of {"text": TEXT} on
a model whose tokenizer adds no BOS. Exits 1 where they differ.
"""

import logging
import sys

import torch
from check_interchange import refuse_warnings
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

DIFFERENCE = 2e-6  # relative


def main():
    model_folder, adapter, text, loss = *sys.argv[1:4], float(sys.argv[4])
    refuse_warnings()
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    if model.get_input_embeddings().weight.shape[0] < len(tokenizer):
        logging.disable(logging.WARNING)  # that new rows are drawn
        model.resize_token_embeddings(len(tokenizer))
        logging.disable(logging.NOTSET)
    model = PeftModel.from_pretrained(model, adapter).eval()
    ids = torch.tensor([*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])
    logits = model(ids[None]).logits[0]
    got = float(torch.nn.functional.cross_entropy(logits[:-1], ids[1:]))
    print(f"{adapter}: {len(tokenizer)} tokens, loss {got:.7f}; lorry's {loss:.7f}")
    sys.exit(0 if abs(got - loss) <= DIFFERENCE * loss else 1)


if __name__ == "__main__":
    main()
