"""Tiny tokenizers for tests/golden/gguf, their metadata in a GGUF file, and what others make of some texts."""

import io

import sentencepiece
from gguf import TokenType
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = """The small fox runs over the hill, and the old dog sleeps in the sun. Don't wake it: it's been up since 5:30!
In 1984, 12345 people came; they'll come again. Une poule sur un mur, qui picore du pain dur. Grüße aus Köln.
for (int i = 0; i < 10; ++i) { total += values[i]; }    // four spaces\n\n\tA tab, and the end of the little story.
Once upon a time there was a little girl who liked to sing. She sang to the fox, and the fox sang to the hill."""
TEXTS = ["", "a", " a", "The small fox", "  two  spaces ", "it's DON'T we'll", "12345 and 67", "na\u00efve \u20ac \U0001f600",
         "line\n\n  next\r\n\tend", "<s>x</s> y", "<|im_start|>user\nhi<|im_end|>", "e\u0301 \u00e9",
         "Grüße aus Köln.", "....!!!???", "中文字 text", "\u2581 mark"]
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
            "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def sentence_piece(writer, vocab):
    """Llama's kind. Returns texts to ids, by the sentencepiece library itself."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.split("\n")), model_writer=model, vocab_size=vocab, model_type="bpe",
        byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=1.0,
        minloglevel=2, num_threads=1)
    library = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    assert library.vocab_size() == vocab
    kinds = [TokenType.BYTE if library.is_byte(i) else TokenType.UNKNOWN if library.is_unknown(i) else
             TokenType.CONTROL if library.is_control(i) else TokenType.NORMAL for i in range(vocab)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([library.id_to_piece(i) for i in range(vocab)])
    writer.add_token_scores([library.get_score(i) for i in range(vocab)])
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_space_prefix(True)
    # In Lorry, as in transformers, "<s>" in a text is the token; in the library it is not.
    return {text: [1] + library.encode(text) for text in TEXTS if "<s>" not in text}


def train_bpe(pre, vocab):
    """A byte-level tokenizer with the steps of the family that `pre` stands for."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=pre == "llama-bpe"))
    words = LLAMA3.replace("{1,3}", "") if pre == "qwen2" else LLAMA3
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pre == "gpt-2")
    tokenizer.pre_tokenizer = level if pre == "gpt-2" else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), level])
    tokenizer.normalizer = normalizers.NFC() if pre == "qwen2" else None
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab - len(SPECIALS), initial_alphabet=level.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS.split("\n"), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIALS])
    return tokenizer


def byte_level(writer, pre, vocab):
    """GPT-2's kind. Returns texts to ids, by the tokenizers library."""
    import json
    tokenizer = train_bpe(pre, vocab)
    assert tokenizer.get_vocab_size() == vocab, tokenizer.get_vocab_size()
    first = vocab - len(SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([tokenizer.id_to_token(i) for i in range(vocab)])
    writer.add_token_types([TokenType.NORMAL] * first + [TokenType.CONTROL] * len(SPECIALS))
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]])
    writer.add_bos_token_id(first)
    writer.add_eos_token_id(first + 2)
    writer.add_chat_template(TEMPLATE)
    begin = [first] if pre == "llama-bpe" else []  # llama.cpp's default for it
    return {text: begin + tokenizer.encode(text).ids for text in TEXTS}
