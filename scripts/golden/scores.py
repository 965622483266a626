"""Writes tests/golden/score/scores.json: what other programs and the definitions say of some texts.

    python3 -m venv V && V/bin/pip install sacrebleu==2.6.0 nltk==3.10.4
    V/bin/python scripts/golden/scores.py ../shared/data/e2e tests/golden/score

BLEU is sacrebleu's. NIST is NLTK's, and mteval-v13a's from its definition. METEOR is NLTK's, without WordNet. ROUGE-L and
CIDEr are written here from their papers and from what coco-caption does differently; nothing is shared with Lorry.
`made_up` is committed with its texts; of `e2e` (metrics-example-*, which live outside the repository) only the scores are.
"""

import json
import math
import re
import sys
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

import nltk
import sacrebleu
from nltk.stem.porter import PorterStemmer
from nltk.translate.meteor_score import meteor_score
from nltk.translate.nist_score import corpus_nist

MADE_UP = [
    ("The Wharf is a cheap pub, near the river.",
     ["The Wharf is a cheap pub near the river.", "Near the river is a pub, The Wharf. It's cheap!",
      "A pub near the riverside: \"The Wharf\""]),
    ("It costs £20-25 (about $30.50), doesn't it?",
     ["It costs £20-25, i.e. about $30.50, doesn't it?", "The price is 20-25 pounds; that isn't 1,000 dollars."]),
    ("the the the the the cats sat sat", ["The cat sat on the mat.", "There is a cat on the mat"]),
    ("CAFÉ Zoë serves Crème brûlée &amp; tea at 10:30 o'clock.",
     ["Café Zoë’s crème brûlée & tea are served at 10:30.", "Tea &lt;hot&gt; at café Zoë, served with crème brûlée."]),
    ("", ["Something should be here.", "Anything."]),
    ("running runners ran relational conditionally hopping",
     ["the runner runs relations and conditional hops", "run hop condition"]),
    ("one two three four five six seven eight nine ten eleven twelve",
     ["one two three four five", "one two four three five six seven nine eight ten eleven twelve thirteen"]),
    ("words  with\tspaces\u00a0between – and… dashes—too",
     ["words with spaces between - and dashes too", "and/or 50% of (bracketed) words"]),
    ("Family-friendly: state-of-the-art 3.5-star place, isn't it? They'll say I'd've known it's-a rock'n'roll o'clock's thing, n't.",
     ["A family-friendly state of the art place with 3.5 stars; they will say I had known."]),
]
WORDS = """caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping tanned
falling hissing fizzed failing filing happy sky relational conditional rational valenci hesitanci digitizer conformabli
radicalli differentli vileli analogousli vietnamization predication operator feudalism decisiveness hopefulness callousness
formaliti sensitiviti sensibiliti triplicate formative formalize electriciti electrical hopeful goodness revival allowance
inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption homologou communism
activate angulariti homologous effective bowdlerize probate rate cease controll roll as is be apologies archaeology possibly
by enjoy saying dying lying eating restaurants family friendly riverside customers rating prices located serving japanese
yyy yay toying syzygy abilities generalizations oscillators ed ing eed speed ion lion onion nation café""".split()
MOST_PUNCTUATION = set(".?!,:;-\"'`()[]{}‘’“”–—…«»")


def is_word(c):
    return unicodedata.category(c)[0] in "LMN"


def caption_words(text):
    """Lower case; hyphens between letters, stops between digits; n't 's 're 've 'll 'd 'm apart; no punctuation."""
    text = text.lower().replace("’", "'")
    shapes = "".join("w" if is_word(c) and not c.isascii() else "x" if c == "w" else c for c in text)  # \w in ASCII
    shape = re.compile(r"(?:[a-z0-9]|(?<=[a-z0-9])-(?=[a-z0-9])|(?<=[0-9])[.,:](?=[0-9])|(?<=[a-z0-9])'(?=[a-z0-9]))+")
    words, end = [], 0
    for match in shape.finditer(shapes):
        words += [c for c in text[end:match.start()] if not c.isspace() and c not in MOST_PUNCTUATION]
        words += split_endings(text[match.start():match.end()])
        end = match.end()
    return words + [c for c in text[end:] if not c.isspace() and c not in MOST_PUNCTUATION]


ENDING = re.compile(r"((?<=.)n't|'(?:s|re|ve|ll|d|m))(?![^\W_])")


def split_endings(token):
    found = ENDING.search(token)
    if not found:
        return [token]
    rest = token[found.end():]
    if not ENDING.match(rest):
        rest = rest.lstrip("-.,:'")
    return [token[:found.start()]] * (found.start() > 0) + [found.group()] + (split_endings(rest) if rest else [])


def ngrams(words, n):
    return Counter(tuple(words[i:i + n]) for i in range(len(words) - n + 1))


def nist_of_mteval(hypotheses, references):
    counts = Counter()
    for group in references:
        for words in group:
            counts[()] += len(words)
            for n in range(1, 6):
                counts.update(ngrams(words, n))
    score = 0.0
    for n in range(1, 6):
        gained = total = 0
        for hypothesis, group in zip(hypotheses, references):
            most = Counter()
            for words in group:
                most |= ngrams(words, n)
            for ngram, count in (ngrams(hypothesis, n) & most).items():
                gained += count * math.log2(counts[ngram[:-1]] / counts[ngram])
            total += max(0, len(hypothesis) - n + 1)
        score += gained / total
    ratio = sum(map(len, hypotheses)) / sum(sum(map(len, group)) / len(group) for group in references)
    beta = -math.log(0.5) / math.log(1.5) ** 2
    return score * (math.exp(-beta * math.log(ratio) ** 2) if ratio < 1 else 1)


def longest_common_subsequence(a, b):
    @lru_cache(None)
    def length(i, j):
        if i == len(a) or j == len(b):
            return 0
        return 1 + length(i + 1, j + 1) if a[i] == b[j] else max(length(i + 1, j), length(i, j + 1))
    return length(0, 0)


def rouge_l(hypothesis, group, beta=1.2):
    if not hypothesis:
        return 0.0
    common = [longest_common_subsequence(tuple(hypothesis), tuple(words)) for words in group]
    precision = max(c / len(hypothesis) for c in common)
    recall = max(c / len(words) for c, words in zip(common, group))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + beta ** 2) * precision * recall / (recall + beta ** 2 * precision)


def cider(hypotheses, references, sigma=6.0):
    """CIDEr-D of each instance, its length difference taken in bigrams as in coco-caption."""
    seen = Counter()
    for group in references:
        seen.update({ngram for words in group for n in range(1, 5) for ngram in ngrams(words, n)})

    def vector(words, n):
        return {g: c * math.log(len(references) / max(1, seen[g])) for g, c in ngrams(words, n).items()}

    def norm(v):
        return math.sqrt(sum(x * x for x in v.values()))

    scores = []
    for hypothesis, group in zip(hypotheses, references):
        total = 0.0
        for words in group:
            delta = sum(ngrams(hypothesis, 2).values()) - sum(ngrams(words, 2).values())
            for n in range(1, 5):
                h, r = vector(hypothesis, n), vector(words, n)
                if norm(h) and norm(r):
                    product = sum(min(h[g], r[g]) * r[g] for g in h.keys() & r.keys())
                    total += product / norm(h) / norm(r) * math.exp(-delta ** 2 / (2 * sigma ** 2)) / 4
        scores.append(10 * total / len(group))
    return scores


class NoWordNet:
    @staticmethod
    def synsets(_):
        return []


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def scores_of(instances):
    hypotheses, references = [h for h, _ in instances], [r for _, r in instances]
    most = max(map(len, references))
    streams = [[group[i] if i < len(group) else None for group in references] for i in range(most)]
    result = {}
    for name, lower in (("", True), ("_case_sensitive", False)):
        bleu = sacrebleu.metrics.BLEU(lowercase=lower)
        result["bleu" + name] = bleu.corpus_score(hypotheses, streams).score
        cut = [bleu._preprocess_segment(h).split() for h in hypotheses]
        groups = [[bleu._preprocess_segment(r).split() for r in group] for group in references]
        result["nist_best_reference" + name] = corpus_nist(groups, cut, n=5)
        result["nist" + name] = nist_of_mteval(cut, groups)
    cut = [caption_words(h) for h in hypotheses]
    groups = [[caption_words(r) for r in group] for group in references]
    stemmer = PorterStemmer(PorterStemmer.MARTIN_EXTENSIONS)
    result["meteor"] = mean(
        meteor_score(group, h, stemmer=stemmer, wordnet=NoWordNet) if h else 0.0 for h, group in zip(cut, groups))
    result["rouge_l"] = mean(rouge_l(h, group) for h, group in zip(cut, groups))
    result["cider"] = mean(cider(cut, groups))
    return result


def read_example(folder):
    outputs = (folder / "metrics-example-output.txt").read_text(encoding="utf-8").splitlines()
    groups = (folder / "metrics-example-refs.txt").read_text(encoding="utf-8").strip().split("\n\n")
    assert len(outputs) == len(groups)
    return [(output, group.split("\n")) for output, group in zip(outputs, groups)]


def main():
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    bleu = sacrebleu.metrics.BLEU()
    texts = [text for h, group in MADE_UP for text in [h, *group]]
    stemmer = PorterStemmer(PorterStemmer.MARTIN_EXTENSIONS)
    golden = {
        "provenance": {"command": "scripts/golden/scores.py",
                       "tools": {"sacrebleu": sacrebleu.__version__, "nltk": nltk.__version__}},
        "made_up": {"instances": [{"hypothesis": h, "references": r} for h, r in MADE_UP], "scores": scores_of(MADE_UP)},
        "e2e": {"scores": scores_of(read_example(data))},
        "tokens_13a": {text: bleu._preprocess_segment(text).split() for text in texts},
        "caption_words": {text: caption_words(text) for text in texts},
        "stems": {word: stemmer.stem(word) for word in WORDS},
    }
    out.mkdir(exist_ok=True)
    (out / "scores.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name in ("made_up", "e2e"):
        print(name, {k: round(v, 4) for k, v in golden[name]["scores"].items()})


if __name__ == "__main__":
    main()
