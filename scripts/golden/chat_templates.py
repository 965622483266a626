"""What transformers makes of conversations by the families' chat templates: tests/golden/text/chat.json.

    python scripts/golden/chat_templates.py

The Jinja texts are those of src/text/chat_jinja.cpp; each runs through apply_chat_template with a tokenizer of
tests/golden/text. For the assistant mask, the same texts with {% generation %} around what answers hold: each edit is
listed below, and the edited template must print the same text. Where a template begins without BOS but the tokenizer puts
one before every text, the ids are those of tokenizer(text): that is what trainers feed.
"""
import json
import re

import transformers
from transformers import PreTrainedTokenizerFast

from text_generator import FOLDER

SOURCE = FOLDER.parents[2] / "src" / "text" / "chat_jinja.cpp"
G, E = "{% generation %}", "{% endgeneration %}"

CHATML = [("{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}",
           "{{'<|im_start|>' + message['role'] + '\\n'}}{% if message['role'] == 'assistant' %}" + G +
           "{{message['content'] + '<|im_end|>'}}" + E + "{% else %}{{message['content'] + '<|im_end|>'}}{% endif %}{{'\\n'}}")]
LLAMA3 = "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>'"
LLAMA3_PARTS = ("{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}{%- if message['role'] == 'assistant' %}" + G +
                "{{- message['content'] | trim + '<|eot_id|>' }}" + E + "{%- else %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endif %}")
QWEN_PLAIN = ("{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}",
              "{{- '<|im_start|>' + message.role + '\\n' }}{%- if message.role == 'assistant' %}" + G +
              "{{- message.content + '<|im_end|>' }}" + E + "{%- else %}{{- message.content + '<|im_end|>' }}{%- endif %}{{- '\\n' }}")

# The small llama2 and mistral tokenizers join a line break with the word behind it, which real ones never do: templates
# whose answers begin behind a line break have another.
# name -> (Jinja, tokenizer, edits that mark answers). Calls of tools and thoughts are compared as text alone.
CASES = {
    "chatml": ("kChatml", "qwen2", CHATML),
    "qwen2": ("kQwen2", "qwen2", CHATML),
    "qwen2.5": ("kQwen25", "qwen2", [QWEN_PLAIN]),
    "qwen3": ("kQwen3", "qwen3", None),
    "smollm2": ("kSmollm2", "qwen2", CHATML),
    "llama2": ("kLlama2", "llama2", [("{{ ' '  + content.strip() + ' ' + eos_token }}",
                                      G + "{{ ' '  + content.strip() + ' ' + eos_token }}" + E)]),
    "llama3": ("kLlama3", "llama3", [("{% set content = " + LLAMA3 + " %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}",
                                      "{% if loop.index0 == 0 %}{{ bos_token }}{% endif %}" + LLAMA3_PARTS)]),
    "llama3.1": ("kLlama31", "llama3", [("{{- " + LLAMA3 + " }}", LLAMA3_PARTS)]),
    "mistral": ("kMistral", "llama2", [('{{- " " + message["content"] + eos_token}}', G + '{{- " " + message["content"] + eos_token}}' + E)]),
    "mistral-classic": ("kMistralClassic", "mistral", [("{{ message['content'] + eos_token}}", G + "{{ message['content'] + eos_token}}" + E)]),
    "zephyr": ("kZephyr", "qwen2", [("{{ '<|assistant|>\\n'  + message['content'] + eos_token }}",
                                      "{{ '<|assistant|>\\n' }}" + G + "{{ message['content'] + eos_token }}" + E + "{{ '' }}")]),  # a tag would take the line break
    "gemma": ("kGemma", "llama3", [("{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}",
                                     "{{ '<start_of_turn>' + role + '\\n' }}{% if role == 'model' %}" + G + "{{ message['content'] | trim + '<end_of_turn>' }}" + E +
                                     "{% else %}{{ message['content'] | trim + '<end_of_turn>' }}{% endif %}{{ '\\n' }}")]),
    "phi": ("kPhi", "qwen2", [("{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}",
                                "{{'<|assistant|>\\n'}}" + G + "{{message['content'] + '<|end|>'}}" + E + "{{'\\n'}}")]),
    "alpaca": ("kAlpaca", "llama3", [("{{- message.content + eos_token }}", G + "{{- message.content + eos_token }}" + E)]),
    "vicuna": ("kVicuna", "llama2", [("{{- ' ' + message.content + eos_token }}", G + "{{- ' ' + message.content + eos_token }}" + E)]),
}
# Tokens that the family has and the small tokenizer has not. Those of phi take white space on their right.
ADDED = {"gemma": ["<start_of_turn>", "<end_of_turn>"], "phi": ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]}
ENDS = {"llama2": ("<s>", "</s>"), "mistral": ("<s>", "</s>"), "llama3": ("<|begin_of_text|>", "<|eot_id|>"),
        "qwen2": (None, "<|im_end|>"), "qwen3": (None, "<|im_end|>")}

U, A = "user", "assistant"
SYSTEM = ("system", "Answer briefly.\n")
CONVERSATIONS = [
    [(U, "Hello, who are you?"), (A, "A lorry.")],
    [(U, "One"), (A, "Two"), (U, "Three  "), (A, " Four\nand five ")],
    [SYSTEM, (U, "naïve café\n日本語"), (A, "Ünïcode: 你好 👍🏽\n\n1. a\n2. b"), (U, "It's 12,345.67?"), (A, "Yes!")],
    [(U, "A question"), (A, "\n\n An answer that begins with breaks \u3000")],
    [SYSTEM, (U, "asked")],
    [(U, "asked"), (A, "told"), (U, "asked again")],
]
TOOLS = [{"type": "function", "function": {"name": "wind", "description": "Tells the \"wind\"; ü",
                                           "parameters": {"type": "object", "properties": {"at": {"type": "string"}, "n": {"type": "number", "default": 0.5}}, "required": ["at"]}}}]
CALL = {"type": "function", "function": {"name": "wind", "arguments": {"at": "Kiel", "n": 2}}}
TOOL_CONVERSATIONS = [
    [(U, "Wind?"), (A, "It blows.")],
    [SYSTEM, (U, "Wind?"), (A, "", [CALL]), ("tool", "{\"bft\": 5}"), ("tool", "west"), (A, "West, 5.")],
    [(U, "Wind?"), (A, "Let me see.", [CALL, CALL]), ("tool", "x"), (A, "Done.")],
]
THOUGHTS = [
    [(U, "2+2?"), (A, "<think>\nTwo and two.\n</think>\n\n4"), (U, "3+3?"), (A, "<think>\nSix it is.\n\n</think>\n\n6")],
    [(U, "2+2?"), (A, "<think>\n\n</think>\n\n4"), (U, "3+3?")],
]


def jinja(name):
    found = re.search(r"string_view " + name + r' = R"jinja\((.*?)\)jinja"', SOURCE.read_text(), re.S)
    return found.group(1)


def load(name, family):
    bos, eos = ENDS[family]
    file = json.loads((FOLDER / family / "tokenizer.json").read_text())
    added = []
    first = max([t["id"] for t in file["added_tokens"]] + list(file["model"]["vocab"].values())) + 1
    for i, content in enumerate(ADDED.get(name, [])):
        added.append({"id": first + i, "content": content, "single_word": False, "lstrip": False, "rstrip": name == "phi",
                      "normalized": False, "special": True})
    file["added_tokens"] += added
    scratch = FOLDER / "scratch.json"
    scratch.write_text(json.dumps(file))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(scratch), bos_token=bos, eos_token=eos)
    scratch.unlink()
    return tokenizer, added, bos, eos


def messages_of(conversation):
    return [{"role": m[0], "content": m[1], **({"tool_calls": m[2]} if len(m) > 2 else {})} for m in conversation]


def as_json(value):
    return json.dumps(value, ensure_ascii=False)


def plain(message):
    """Calls of tools with their arguments as text: name and JSON."""
    calls = [{"name": c["function"]["name"], "arguments": as_json(c["function"]["arguments"])} for c in message.get("tool_calls", [])]
    return {"role": message["role"], "content": message["content"], **({"tool_calls": calls} if calls else {})}


def spans_of(mask):
    spans, begin = [], None
    for i, bit in enumerate(list(mask) + [0]):
        if bit and begin is None:
            begin = i
        if not bit and begin is not None:
            spans.append([begin, i])
            begin = None
    return spans


def marked(template, edits):
    for old, new in edits:
        assert old in template, old
        template = template.replace(old, new)
    return template


def example(tokenizer, template, edits, messages, tools):
    ask = messages[-1]["role"] == U
    extra = {"enable_thinking": False} if "enable_thinking" in template else {}
    text = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, tools=tools, add_generation_prompt=ask, **extra)
    out = {"messages": [plain(m) for m in messages], "tools": [as_json(t) for t in tools or []], "ask": ask, "text": text}
    begins = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    ids = tokenizer(text, add_special_tokens=not begins)["input_ids"]
    if begins:
        assert ids == tokenizer.apply_chat_template(messages, chat_template=template, tools=tools, add_generation_prompt=ask, return_dict=False, **extra)
    out["ids"] = ids
    if edits is None or ask:
        return out
    both = tokenizer.apply_chat_template(messages, chat_template=marked(template, edits), tools=tools, return_dict=True, return_assistant_tokens_mask=True)
    again = tokenizer.apply_chat_template(messages, chat_template=marked(template, edits), tools=tools, tokenize=False)
    assert again == text, (again, text)
    shift = len(ids) - len(both["input_ids"])  # of the BOS that the tokenizer adds
    assert ids[shift:] == both["input_ids"]
    out["learnt"] = spans_of([0] * shift + both["assistant_masks"])
    return out


def main():
    cases = []
    for name, (constant, family, edits) in CASES.items():
        template = jinja(constant)
        tokenizer, added, bos, eos = load(name, family)
        examples, refused = [], []
        chats = [(c, None) for c in CONVERSATIONS]
        if name in ("qwen2.5", "qwen3"):
            chats += [(c, TOOLS) for c in TOOL_CONVERSATIONS]
        if name == "qwen3":
            chats += [(c, None) for c in THOUGHTS]
        for chat, tools in chats:
            messages = messages_of(chat)
            has_calls = any("tool_calls" in m for m in messages)
            try:
                examples.append(example(tokenizer, template, None if has_calls else edits, messages, tools))
            except Exception as error:
                if "raise" not in str(error) and "not supported" not in str(error) and "role" not in str(error).lower():
                    raise
                refused.append(messages)
        cases.append({"template": name, "jinja": template, "tokenizer": family, "added_tokens": added, "bos": bos, "eos": eos,
                      "examples": examples, "refused": refused})
    out = {"tools": {"transformers": transformers.__version__}, "cases": cases}
    (FOLDER / "chat.json").write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('{"messages":', '\n{"messages":') + "\n")


if __name__ == "__main__":
    main()
