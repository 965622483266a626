// text/bpe.hpp: byte-pair encoding of one word.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/json_field.hpp"
#include "text/merge_table.hpp"
#include "text/vocabulary.hpp"
#include "text/word_cache.hpp"

namespace lorry::text {

/// The model of tokenizer.json with type BPE. A word starts as its characters; the pair of neighbours with
/// the lowest rank merges first, the leftmost among equals, until no pair merges: O(n log n) in the length of
/// the word. Threads: const calls may run at once.
class Bpe {
 public:
  /// Reads the field "model". Throws Error on anything unsupported (dropout, subword affixes) or
  /// inconsistent.
  explicit Bpe(const JsonField& model);

  /// Appends the ids of `word`, which is valid UTF-8. Throws Error if it has 2^31 bytes or more, or needs an
  /// unk_token that the vocabulary lacks.
  void encode(std::string_view word, std::vector<std::int32_t>& out) const;

  [[nodiscard]] const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct Symbol {
    std::int32_t id;
    std::int32_t previous, next;  // -1 at the ends
    bool removed;
  };

  void read_vocabulary(const JsonField& field);
  void read_merges(const JsonField& field);
  void add_merge(const JsonField& entry, const std::string& left, const std::string& right,
                 std::int32_t rank);
  [[nodiscard]] std::vector<Symbol> symbols_of(std::string_view word) const;
  bool append_bytes(std::string_view character, std::vector<Symbol>& symbols) const;
  void merge(std::vector<Symbol>& symbols) const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  std::vector<std::int32_t> merged_ids_;                     // by rank
  std::array<std::optional<std::int32_t>, 256> byte_ids_{};  // "<0x00>" to "<0xFF>"
  std::optional<std::int32_t> unknown_;
  std::string missing_unknown_;  // an unk_token that is no token; only its use is an error
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;  // a word that is a token is taken whole
  std::unique_ptr<WordCache> cache_ = std::make_unique<WordCache>();
};

}  // namespace lorry::text
