"""Writes tests/golden/generation: what transformers' generate() makes of the tiny models of tests/golden/families.

    OMP_NUM_THREADS=1 python scripts/golden/generation.py tests/golden/families tests/golden/generation

decoding.json: greedy decoding and beam search, ids without the end token. A case is kept only if float64 decodes the
same ids, so that none hangs on rounding. filters.json: probabilities left by generate()'s own list of processors.
"""

import itertools
import json
import random
import sys
from pathlib import Path

import torch
from support import make_deterministic, provenance
from transformers import AutoModelForCausalLM, GenerationConfig, LogitsProcessorList

SEED = 1021
MODELS = ("llama", "gpt2", "mistral")
VOCABULARY = 101
NEW_TOKENS = 20
PROMPTS = 2  # per model and setting

GREEDY = [
    {},
    {"repetition_penalty": 1.3},
    {"no_repeat_ngram_size": 2},
    {"repetition_penalty": 0.8, "no_repeat_ngram_size": 4},
    {"no_repeat_ngram_size": 1},
]
BEAMS = [
    {"num_beams": 2},
    {"num_beams": 3, "length_penalty": 0.0},
    {"num_beams": 4, "length_penalty": 2.0, "early_stopping": True},
    {"num_beams": 5, "no_repeat_ngram_size": 3, "early_stopping": "never"},
    {"num_beams": 4, "length_penalty": -1.0, "early_stopping": "never"},
    {"num_beams": 3, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "early_stopping": True},
    {"num_beams": 8, "length_penalty": 0.5},
    {"num_beams": 10, "length_penalty": 0.9, "no_repeat_ngram_size": 4},  # Hu et al. 2021, table 11
]
FILTERS = [
    {"temperature": 0.7},
    {"top_k": 5},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"repetition_penalty": 1.5},
    {"repetition_penalty": 0.7, "temperature": 1.4, "top_p": 0.9},
    {"no_repeat_ngram_size": 1, "top_k": 4},
    {"no_repeat_ngram_size": 2, "min_p": 0.05},
    {"temperature": 0.5, "top_k": 8, "top_p": 0.7, "min_p": 0.2},
    {"temperature": 2.0, "top_k": 6, "min_p": 0.5, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2},
    {"temperature": 1.5, "top_p": 0.95, "min_p": 0.3},
]


def decode(model, prompt, options, stops):
    """New ids without the end token, and the score of the best beam (None when greedy)."""
    out = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=stops or None,
        pad_token_id=VOCABULARY - 1 if not stops else stops[0],
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    ids = out.sequences[0, len(prompt):].tolist()
    ends = [ids.index(stop) for stop in stops if stop in ids]
    score = out.sequences_scores[0].item() if options.get("num_beams", 1) > 1 else None
    return ids[: min(ends, default=len(ids))], score


def choose_stops(rng, ids):
    """None, one or two tokens that the text would have had, so that beams and texts end early."""
    choices = sorted(set(ids[2:]))
    return [[], rng.sample(choices, 1), rng.sample(choices, min(2, len(choices)))]


def decoding_cases(families):
    rng = random.Random(SEED)
    cases, dropped = [], 0
    for name in MODELS:
        single = AutoModelForCausalLM.from_pretrained(families / name / "model", dtype=torch.float32).eval()
        double = AutoModelForCausalLM.from_pretrained(families / name / "model", dtype=torch.float64).eval()
        for options, _ in itertools.product(GREEDY + BEAMS, range(PROMPTS)):
            prompt = [rng.randrange(VOCABULARY) for _ in range(rng.randrange(1, 14))]
            for stops in choose_stops(rng, decode(single, prompt, options, [])[0]):
                ids, score = decode(single, prompt, options, stops)
                if decode(double, prompt, options, stops)[0] != ids:
                    dropped += 1
                    continue
                case = {"model": name, "prompt": prompt, "options": options, "stops": stops, "ids": ids}
                cases.append(case if score is None else case | {"score": round(score, 6)})
    early = sum(len(case["ids"]) < NEW_TOKENS for case in cases)
    print(f"{len(cases)} cases, {early} of them end early; {dropped} dropped, since float64 differs")
    return cases


def filter_cases(families):
    rng = random.Random(SEED)
    model = AutoModelForCausalLM.from_pretrained(families / "llama" / "model")
    cases = []
    for options in FILTERS:
        logits = [round(rng.gauss(0, 2.5), 3) for _ in range(16)]
        ids = [rng.randrange(16) for _ in range(12)]
        ids += ids[:1]  # a token that others have followed before
        config = GenerationConfig(do_sample=True, **{"top_k": 0, **options})
        processors = model._get_logits_processor(
            generation_config=config, input_ids_seq_length=len(ids), encoder_input_ids=torch.tensor([ids]),
            prefix_allowed_tokens_fn=None, logits_processor=LogitsProcessorList())
        left = processors(torch.tensor([ids]), torch.tensor([logits], dtype=torch.float64))
        probabilities = [round(p, 9) for p in torch.softmax(left, -1)[0].tolist()]
        cases.append({"options": options, "ids": ids, "logits": logits, "probabilities": probabilities})
    return cases


def write(path, cases, more):
    """One case a line."""
    lines = ",\n  ".join(json.dumps(case) for case in cases)
    header = provenance("scripts/golden/generation.py", SEED, **more)["provenance"]
    path.write_text(f'{{"provenance": {header},\n "cases": [\n  {lines}\n ]}}\n')


def main():
    make_deterministic()
    families, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    write(out / "decoding.json", decoding_cases(families), {"max_new_tokens": NEW_TOKENS})
    write(out / "filters.json", filter_cases(families), {})


if __name__ == "__main__":
    main()
