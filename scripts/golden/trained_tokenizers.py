"""Reads tokenizers that Lorry trained with Hugging Face tokenizers, and keeps what that gives: tests/golden/text/trained.json.

    python scripts/golden/trained_tokenizers.py GPT2_FOLDER LLAMA3_FOLDER

The folders are those that the test BpeTrainers.MakesAFileThatHuggingFaceReadsAlike names when it fails.
"""
import json
import pathlib
import sys
import zlib

from tokenizers import Tokenizer

from text_generator import FOLDER, Generator

STRINGS = 5000


def main():
    out = {}
    for name, folder in zip(("gpt2", "llama3"), sys.argv[1:3], strict=True):
        file = pathlib.Path(folder) / "tokenizer.json"
        tok = Tokenizer.from_file(str(file))
        generator = Generator(["<s>", "</s>"])
        total = 0
        for i in range(STRINGS):
            ids = tok.encode(generator.string(i).decode("utf-8", "replace")).ids + [0xFFFFFFFF]
            total = zlib.crc32(b"".join(x.to_bytes(4, "little") for x in ids), total)
        out[name] = {"file": zlib.crc32(file.read_bytes()), "strings": STRINGS, "ids": total}
    (FOLDER / "trained.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
