"""Makes tests/golden/text: tokenizers with the settings of real model families, and what Hugging Face tokenizers says.

    python scripts/golden/tokenizer_goldens.py [--data ../shared/data] [--train]

Needs the package `tokenizers` and, under --data, text/tinyshakespeare.txt and gpt2-tokenizer/tokenizer.json. The
vocabularies are small; everything else in a family's file is as that family publishes it. They are trained only if asked
or absent, because that library's trainer does not give the same vocabulary twice. Of 100,000 generated strings per family
only checksums are kept, per block of 1,000 (text_generator.py makes the strings).
"""
import argparse
import json
import pathlib
import sys
import zlib

import tokenizers
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from text_generator import FOLDER, Generator
from tokenizer_components import component_goldens
from tokenizer_unicode import unicode_goldens

BLOCK = 1000
BLOCKS = 100
EXPLICIT = 200  # generated strings whose ids are kept in full
TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", "Hello, world!", " Hello  world ", "hello\n\nworld\r\n", "\t tab\t",
    "It's they're I'LL don'T 'S", "1234567 12,345.67", "naïve café", "e\u0301 o\u0308\u0323", "日本語 テスト", "안녕 각",
    "👩‍💻👍🏽🇫🇷", "\u00a0\u2003x\u3000", "\u180ex\u200b", "a\u0000b", "x" * 300, " " * 200, "ab " * 100, "\n" * 50,
    "▁x▁ y", "<0x41>", "Ġa", "\ufffd", "\U0010ffff", "a<s>b</s> c", "<s><s>", " </s> ", "<unk>", "\u2ebf0\U0002ebf0",
    "<|endoftext|>a <|endoftext|> b", "<|im_start|>user\nHi<|im_end|>\n", "<|begin_of_text|>x<|eot_id|>",
    "[INST] q [/INST] a", "<think>\n</think>",
]
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+")
QWEN2_PATTERN = LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")


def added(id_, content, special=True, **flags):
    token = dict(id=id_, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=special)
    return token | flags


def bos_template(bos, id_):
    special = {"SpecialToken": {"id": bos, "type_id": 0}}
    a, b = ({"Sequence": {"id": s, "type_id": i}} for i, s in enumerate("AB"))
    return {"type": "TemplateProcessing", "single": [special, a], "pair": [special, a, special | {}, b],
            "special_tokens": {bos: {"id": bos, "ids": [id_], "tokens": [bos]}}}


def corpus(data, specials):
    text = (data / "text" / "tinyshakespeare.txt").read_text()[:500_000]
    generator = Generator(specials)
    mixed = [generator.string(1_000_000 + i).decode("utf-8", "replace") for i in range(8000)]
    return text.split("\n\n") + mixed


def train(corpus_texts, pre_tokenizer, size, normalizer=None, alphabet=(), limit=256):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizer
    if normalizer:
        tok.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), limit_alphabet=limit,
                                  show_progress=False, special_tokens=[])
    tok.train_from_iterator(corpus_texts, trainer)
    model = json.loads(tok.to_str())["model"]
    return model["vocab"], model["merges"]


def sentencepiece_model(data, size, control, legacy_merges):
    """Ids as sentencepiece lays them out: control tokens, bytes, merges by rank, then the single characters."""
    pieces = pre_tokenizers.Split(Regex("▁*[^▁]*"), "isolated")
    vocab, merges = train(corpus(data, control), pieces, size, normalizers.Replace(" ", "▁"), limit=500)
    taken = set(control)
    joined = [m for m in (a + b for a, b in merges) if m not in taken]
    tokens = control + [f"<0x{b:02X}>" for b in range(256)] + joined
    tokens += sorted(t for t in vocab if t not in set(tokens))
    tokens = list(dict.fromkeys(tokens))
    return {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
            "vocab": {t: i for i, t in enumerate(tokens)},
            "merges": [" ".join(m) for m in merges] if legacy_merges else merges}


def byte_level_model(data, size, pattern, specials, **fields):
    cut = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    vocab, merges = train(corpus(data, specials), cut, size, alphabet=pre_tokenizers.ByteLevel.alphabet())
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": vocab, "merges": merges} | fields


def document(model, tokens, normalizer, pre_tokenizer, post_processor, decoder):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": tokens, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": model}


def sentencepiece_decoder():
    return {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}


def llama2(data):
    control = ["<unk>", "<s>", "</s>"]
    model = sentencepiece_model(data, 3000, control, legacy_merges=True)
    normalizer = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    return document(model, [added(i, t) for i, t in enumerate(control)], normalizer, None, bos_template("<s>", 1),
                    sentencepiece_decoder())


def mistral(data):
    control = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"]
    model = sentencepiece_model(data, 2600, control, legacy_merges=False)
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    return document(model, [added(i, t) for i, t in enumerate(control)], None, metaspace, bos_template("<s>", 1),
                    sentencepiece_decoder())


def cut_and_bytes(pattern, trim_offsets):
    return {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": trim_offsets, "use_regex": False}]}


def byte_level(add_prefix_space, trim_offsets, use_regex):
    return {"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": trim_offsets,
            "use_regex": use_regex}


def llama3(data):
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>",
             "<|end_header_id|>", "<|eot_id|>", "<|python_tag|>"]
    model = byte_level_model(data, 2800, LLAMA3_PATTERN, names, ignore_merges=True)
    first = len(model["vocab"])
    post = {"type": "Sequence", "processors": [byte_level(True, False, True), bos_template(names[0], first)]}
    return document(model, [added(first + i, t) for i, t in enumerate(names)], None, cut_and_bytes(LLAMA3_PATTERN, True),
                    post, byte_level(True, True, True))


def qwen(data, names, plain, size):
    model = byte_level_model(data, size, QWEN2_PATTERN, names + plain, continuing_subword_prefix="", end_of_word_suffix="")
    first = len(model["vocab"])
    tokens = [added(first + i, t, special=t in names) for i, t in enumerate(names + plain)]
    return document(model, tokens, {"type": "NFC"}, cut_and_bytes(QWEN2_PATTERN, False), byte_level(False, False, False),
                    byte_level(False, False, False))


def qwen2(data):
    return qwen(data, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_pad|>"], ["<tool_call>", "</tool_call>"], 2800)


def qwen3(data):
    plain = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
    return qwen(data, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_pad|>"], plain, 2000)


def goldens(tok, specials):
    generator = Generator(specials)
    blocks, explicit = [], []
    for block in range(BLOCKS):
        sums = [0, 0, 0]  # ids; decoded with special tokens; decoded without
        for i in range(block * BLOCK, (block + 1) * BLOCK):
            text = generator.string(i).decode("utf-8", "replace")
            ids = tok.encode(text, add_special_tokens=i % 2 == 0).ids
            if i < EXPLICIT:
                explicit.append(ids)
            packed = b"".join(x.to_bytes(4, "little") for x in ids + [0xFFFFFFFF])
            sums[0] = zlib.crc32(packed, sums[0])
            sums[1] = zlib.crc32(tok.decode(ids, skip_special_tokens=False).encode() + b"\xff", sums[1])
            sums[2] = zlib.crc32(tok.decode(ids, skip_special_tokens=True).encode() + b"\xff", sums[2])
        blocks.append(sums)
    texts = [{"text": t, "ids": tok.encode(t).ids, "decoded": tok.decode(tok.encode(t).ids)} for t in TEXTS]
    return {"specials": specials, "block": BLOCK, "blocks": blocks, "generated": explicit, "texts": texts}


def dump(name, value):
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / name).write_text(text.replace("},{", "},\n{") + "\n", encoding="utf-8")


def shakespeare_sum(data, folder):
    tok = Tokenizer.from_file(str(data / folder / "tokenizer.json"))
    ids = tok.encode((data / "text" / "tinyshakespeare.txt").read_text()).ids
    return {"count": len(ids), "crc": zlib.crc32(b"".join(x.to_bytes(4, "little") for x in ids))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=FOLDER.parents[3] / "shared" / "data")
    parser.add_argument("--train", action="store_true", help="make new vocabularies, not only new goldens")
    options = parser.parse_args()
    data = options.data
    for make in (llama2, mistral, llama3, qwen2, qwen3):
        name = make.__name__
        file = FOLDER / name / "tokenizer.json"
        if options.train or not file.exists():
            file.parent.mkdir(exist_ok=True)
            dump(f"{name}/tokenizer.json", make(data))
        specials = [t["content"] for t in json.loads(file.read_text(encoding="utf-8"))["added_tokens"]]
        dump(f"{name}.json", goldens(Tokenizer.from_file(str(file)), specials))
    gpt2 = Tokenizer.from_file(str(data / "gpt2-tokenizer" / "tokenizer.json"))
    dump("gpt2.json", goldens(gpt2, ["<|endoftext|>"]))
    dump("components.json", component_goldens(json.loads((FOLDER / "mistral/tokenizer.json").read_text()),
                                              json.loads((FOLDER / "llama3/tokenizer.json").read_text())))
    dump("unicode.json", unicode_goldens())
    dump("shakespeare.json", {f: shakespeare_sum(data, f) for f in ("stories260k", "gpt2-tokenizer")})
    (FOLDER / "provenance.txt").write_text(
        f"made by: python scripts/golden/tokenizer_goldens.py\ntokenizers {tokenizers.__version__}, Python "
        f"{sys.version.split()[0]}\ntrained on the first 500,000 characters of tinyshakespeare.txt and 8,000 generated "
        "strings; no random numbers but the generator's\ngenerator.json: written by hand\n")


if __name__ == "__main__":
    main()
