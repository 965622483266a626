"""Steps and flags that no family's file uses, each put into a small tokenizer and run over generated strings."""
import copy
import json
import zlib

from tokenizers import Tokenizer

from text_generator import Generator

STRINGS = 1500
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}


def split(pattern, behavior, invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def metaspace(**fields):
    return {"type": "Metaspace", "replacement": "▁"} | fields


def token(content, **flags):
    return dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=True, special=False) | flags


def normalizers():
    def replace(kind, pattern, content):
        return {"type": "Replace", "pattern": {kind: pattern}, "content": content}

    cases = {n: {"type": n} for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")}
    cases["strip left"] = {"type": "Strip", "strip_left": True, "strip_right": False}
    cases["strip both"] = {"type": "Strip", "strip_left": True, "strip_right": True}
    cases["replace regex"] = replace("Regex", r"\s{2,}|\p{N}+", "▁")
    cases["replace string"] = replace("String", "..", ".")
    cases["replace empty match"] = replace("Regex", r"\d*", "-")
    cases["several"] = sequence("normalizers", {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": "▁"},
                                replace("String", " ", "▁"))
    return {f"normalizer {k}": {"normalizer": v} for k, v in cases.items()}


def pre_tokenizers():
    cases = {n: {"type": n} for n in ("Whitespace", "WhitespaceSplit", "Punctuation")}
    cases["digits"] = {"type": "Digits", "individual_digits": False}
    cases["single digits"] = {"type": "Digits", "individual_digits": True}
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        cases[f"split {behavior}"] = split(r"\s+|\p{P}", behavior)
        cases[f"split inverted {behavior}"] = split(r"\p{L}+", behavior, True)
        cases[f"split string {behavior}"] = split("e", behavior, kind="String")
        cases[f"punctuation {behavior}"] = {"type": "Punctuation", "behavior": behavior}
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            cases[f"metaspace {scheme} {cut}"] = metaspace(prepend_scheme=scheme, split=cut)
    cases["metaspace old"] = metaspace(add_prefix_space=True)
    cases["metaspace old never"] = metaspace(add_prefix_space=False, prepend_scheme="never")
    cases["digits then metaspace"] = sequence("pretokenizers", {"type": "Digits", "individual_digits": True},
                                              metaspace(prepend_scheme="first"))
    cases["gpt4o"] = split(
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", "Isolated")
    cases["han"] = split(r"[\p{Han}]+|\w+|\W", "Isolated")
    cases["look around"] = split(r"(?<=\d)(?=(?:\d{3})+(?!\d))|^\s|\S$|a{,2}b|(?>c+)d", "Isolated")
    return {f"pre_tokenizer {k}": {"pre_tokenizer": v} for k, v in cases.items()}


def models():
    flags = {"no fuse": {"fuse_unk": False, "byte_fallback": False}, "fuse": {"byte_fallback": False},
             "no unknown": {"unk_token": None, "byte_fallback": False}, "ignore merges": {"ignore_merges": True}}
    return {f"model {k}": {"model": v, "pre_tokenizer": metaspace()} for k, v in flags.items()}


def decoders():
    cases = {"none": None, "metaspace": metaspace(), "metaspace never": metaspace(prepend_scheme="never"),
             "fallback": {"type": "ByteFallback"}, "byte level": BYTE_LEVEL, "fuse": {"type": "Fuse"}}
    cases["metaspace and fallback"] = sequence("decoders", {"type": "ByteFallback"}, metaspace(add_prefix_space=True))
    cases["strip tokens"] = sequence("decoders", {"type": "Strip", "content": "▁", "start": 2, "stop": 0})
    cases["replace all"] = sequence("decoders", {"type": "Fuse"},
                                    {"type": "Replace", "pattern": {"Regex": "▁+"}, "content": " "})
    return {f"decoder {k}": {"decoder": v} for k, v in cases.items()}


def added_tokens():
    cases = {
        "strips": [token("the", lstrip=True), token("</tag>", rstrip=True, normalized=False),
                   token("world", lstrip=True, rstrip=True, normalized=False)],
        "single words": [token("it", single_word=True), token("мир", single_word=True, normalized=False),
                         token("x²", single_word=True)],
        "overlaps": [token("<v"), token("<ve", normalized=False), token("<vector", special=True), token(" ", rstrip=True),
                     token("\n\n", normalized=False), token("ing")],
        "normalised": [token("KING"), token("Hello", special=True), token("café", special=True), token("▁the")],
    }
    lower = sequence("normalizers", {"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": "▁"})
    plain = {f"added {k} plain": {"added_tokens": v} for k, v in cases.items()}
    # Not Metaspace "first": with NFKC in front, "¯" at the start is the difference that text/normalizer.hpp names.
    return plain | {f"added {k} lower": {"added_tokens": v, "normalizer": lower, "pre_tokenizer": metaspace()}
                    for k, v in cases.items()}


def byte_level_cases():
    return {
        "byte level gpt2": {"pre_tokenizer": BYTE_LEVEL, "decoder": BYTE_LEVEL},
        "byte level whole": {"pre_tokenizer": BYTE_LEVEL | {"use_regex": False, "add_prefix_space": False}},
        "byte level digits": {"pre_tokenizer": sequence("pretokenizers", {"type": "Digits", "individual_digits": True},
                                                        BYTE_LEVEL | {"add_prefix_space": False})},
        "byte level punctuation": {"pre_tokenizer": sequence(
            "pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, BYTE_LEVEL)},
    }


def splice(base, case):
    """The case's fields put into `base`: fields of the model, or whole steps; added tokens get the next ids."""
    document = copy.deepcopy(base)
    for key, value in case.items():
        if key == "model":
            document["model"] |= value
        elif key == "added_tokens":
            next_id = max(max(document["model"]["vocab"].values()), *(t["id"] for t in document["added_tokens"])) + 1
            for extra in value:
                known = document["model"]["vocab"].get(extra["content"])
                document["added_tokens"].append(extra | {"id": next_id if known is None else known})
                next_id += known is None
        else:
            document[key] = value
    return document


def sums(document):
    tok = Tokenizer.from_str(json.dumps(document))
    generator = Generator([t["content"] for t in document["added_tokens"]])
    totals = [0, 0]
    for i in range(STRINGS):
        ids = tok.encode(generator.string(i).decode("utf-8", "replace")).ids
        totals[0] = zlib.crc32(b"".join(x.to_bytes(4, "little") for x in ids + [0xFFFFFFFF]), totals[0])
        totals[1] = zlib.crc32(tok.decode(ids).encode() + b"\xff", totals[1])
    return totals


def component_goldens(sentencepiece, byte_level):
    cases = normalizers() | pre_tokenizers() | models() | decoders() | added_tokens()
    out = []
    for name, case in cases.items():
        out.append({"name": name, "base": "mistral", "fields": case, "sums": sums(splice(sentencepiece, case))})
    for name, case in byte_level_cases().items():
        out.append({"name": name, "base": "llama3", "fields": case, "sums": sums(splice(byte_level, case))})
    return {"strings": STRINGS, "cases": out}
