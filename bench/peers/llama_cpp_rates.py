"""Prompt and decode speed of llama.cpp: the peer of `lorry generate` in bench/generation.

    python bench/peers/llama_cpp_rates.py '{"model": FILE.gguf, "prompt_tokens": N, "new_tokens": N, "threads": N}'

Prints one JSON object: prompt_tokens_per_second, tokens_per_second, peak_rss_bytes. A short prompt goes first, so that pages and threads
are there. Needs llama-cpp-python, built on this machine for its own instruction set.
"""

import json
import resource
import sys
import time

from llama_cpp import Llama


def main():
    request = json.loads(sys.argv[1])
    prompt, new = request["prompt_tokens"], request["new_tokens"]
    llm = Llama(request["model"], n_ctx=prompt + new + 16, n_batch=512, n_threads=request["threads"],
                n_threads_batch=request["threads"], verbose=False)
    tokens = [3 + i % 200 for i in range(prompt)]
    llm.eval(tokens[:32])
    llm.reset()
    began = time.perf_counter()
    llm.eval(tokens)
    read = time.perf_counter()
    for i in range(new):
        llm.eval([tokens[i % prompt]])
    ended = time.perf_counter()
    print(json.dumps({"prompt_tokens_per_second": prompt / (read - began), "tokens_per_second": new / (ended - read),
                      "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


main()
