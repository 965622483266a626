"""Test strings for tokenizers, the same here and in tests/text/text_generator.hpp.

Strings are bytes, not always valid UTF-8. String i depends on i and on tests/golden/text/generator.json only.
"""
import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "text"
MASK = (1 << 64) - 1


def encode(code_point):
    return chr(0xFFFD if 0xD800 <= code_point <= 0xDFFF else code_point).encode("utf-8")


class Generator:
    """`specials`: the strings that the kind "specials" draws from (a family's special tokens)."""

    def __init__(self, specials):
        tables = json.loads((FOLDER / "generator.json").read_text(encoding="utf-8"))
        self.kinds = tables["kinds"]
        self.ranges = tables["ranges"]
        self.lists = {name: [s.encode("utf-8") for s in strings] for name, strings in tables["lists"].items()}
        self.lists["bytes"] = [bytes.fromhex(s) for s in tables["bytes"]]
        self.lists["specials"] = [s.encode("utf-8") for s in specials]
        self.state = 0

    def below(self, bound):
        """A linear congruential generator (Knuth's MMIX); its upper 31 bits, modulo bound."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % bound

    def atom(self):
        kind = self.kinds[self.below(len(self.kinds))]
        if kind == "any":
            return encode(self.below(0x110000))
        if kind == "script":
            first, last = self.ranges[self.below(len(self.ranges))]
            return b"".join(encode(first + self.below(last - first + 1)) for _ in range(1 + self.below(8)))
        if kind == "ascii":
            return bytes(0x20 + self.below(0x5F) for _ in range(1 + self.below(8)))
        if kind == "digits":
            return bytes(0x30 + self.below(10) for _ in range(1 + self.below(6)))
        choices = self.lists[kind]
        return choices[self.below(len(choices))]

    def string(self, index):
        self.state = ((index + 1) * 0x9E3779B97F4A7C15) & MASK
        self.below(1)
        self.below(1)
        out = bytearray()
        for _ in range(1 + self.below(16)):
            if self.below(3) == 0:
                out += b" "
            atom = self.atom()
            copies = 1 + self.below(4) if self.below(16) == 0 else 1
            out += atom * copies
        return bytes(out)
