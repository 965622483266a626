// text/bpe_trainer.hpp: makes a byte-level BPE tokenizer from text, as a Hugging Face tokenizer.json.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "text/regex.hpp"
#include "text/vocabulary.hpp"

namespace lorry::text {

/// How text is cut into words, inside which merges happen.
enum class WordPattern {
  kGpt2,    // words with the space before them, runs of digits, of other signs, of white space
  kLlama3,  // also: numbers in groups of three digits, line ends kept with the signs before them,
            // ignore_merges
};

/// Counts words, then joins the most frequent pair of neighbouring tokens until the vocabulary is full
/// (Sennrich et al. 2016, arXiv:1508.07909). Equal counts: the pair with the smaller ids first, so that the
/// result depends only on the texts and their number, not on their order.
class BpeTrainer {
 public:
  struct Config {
    Index vocab_size = 4096;  // all tokens: special ones, 256 bytes, merges; fewer if pairs run out
    std::vector<std::string> special_tokens =
        {};                      // ids 0, 1, ... in this order; found in text by the tokenizer
    std::string bos_token = {};  // one of them, put before every text; empty: none
    std::string eos_token = {};  // one of them, named in tokenizer_config.json; empty: none
    WordPattern pattern = WordPattern::kLlama3;
    Index min_count = 2;         // pairs seen less often do not merge
    Index max_token_bytes = 32;  // no longer tokens
  };

  /// Throws Error on a configuration that cannot be met.
  explicit BpeTrainer(Config config);

  /// Counts the words of one text (UTF-8, without special tokens). Linear in its length.
  void add(std::string_view text);

  /// The text of tokenizer.json. Trains anew at each call.
  [[nodiscard]] std::string tokenizer_json() const;
  /// The text of tokenizer_config.json, which transformers reads beside it.
  [[nodiscard]] std::string tokenizer_config_json() const;

 private:
  Config config_;
  Regex word_pattern_;
  StringMap<std::int64_t> words_;  // raw bytes -> count
};

}  // namespace lorry::text
