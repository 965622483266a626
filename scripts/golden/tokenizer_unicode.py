"""What the peer's character classes and normal forms say of every code point."""
import zlib

from tokenizers import Regex, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
PATTERNS = [r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", r"[\s]", r"[^\S]", r"[\w]", r"\p{L}", r"\P{L}", r"\p{N}", r"\p{M}", r"\p{P}",
            r"\p{S}", r"\p{Lu}", r"\p{Ll}", r"\p{Lt}", r"\p{Lm}", r"\p{Lo}", r"\p{Nd}", r"\p{Han}", r"[^\s\p{L}\p{N}]",
            r"[^\r\n\p{L}\p{N}]", r"(?i:s)", r"(?i:'t)", r".", r"[\x{4e00}-\x{9fa5}a-z]", r"\u00e9", r"\v"]


def class_sum(pre_tokenizer):
    """Checksum over one byte per code point: is it in the class? The pre-tokenizer keeps what is."""
    kept = set()
    for piece, _ in pre_tokenizer.pre_tokenize_str("".join(map(chr, CODE_POINTS))):
        kept.update(map(ord, piece))
    return zlib.crc32(bytes(c in kept for c in CODE_POINTS))


def keep_matches(pattern):
    return pre_tokenizers.Split(Regex(pattern), "removed", invert=True)


def dropped_sum(pre_tokenizer):
    """For steps that cut: is "a" + character + "a" cut or changed?"""
    changed = [[s for s, _ in pre_tokenizer.pre_tokenize_str(f"a{chr(c)}a")] != [f"a{chr(c)}a"] for c in CODE_POINTS]
    return zlib.crc32(bytes(changed))


def normal_sum(normalizer):
    """Over the normal form of each character behind an a and before a cedilla."""
    total = 0
    for c in CODE_POINTS:
        total = zlib.crc32(normalizer.normalize_str(f"a{chr(c)}\u0327").encode() + b"\xff", total)
    return total


def unicode_goldens():
    return {
        "patterns": {p: class_sum(keep_matches(p)) for p in PATTERNS},
        "cuts": {"Digits": dropped_sum(pre_tokenizers.Digits(True)), "Punctuation": dropped_sum(pre_tokenizers.Punctuation()),
                 "Whitespace": dropped_sum(pre_tokenizers.Whitespace()),
                 "WhitespaceSplit": dropped_sum(pre_tokenizers.WhitespaceSplit())},
        "normal_forms": {n: normal_sum(getattr(normalizers, n)()) for n in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")},
    }
