// data/document.hpp: records as tokens: what is learnt of each, and how long ones are cut.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/index.hpp"
#include "data/record.hpp"

namespace lorry::data {

/// The tokenizer as this folder sees it.
struct Encoder {
  /// Token ids of a UTF-8 text; with what the post-processor adds (BOS, ...) if `special_tokens`.
  std::function<std::vector<std::int32_t>(std::string_view text, bool special_tokens)> encode;
  std::optional<std::int32_t> eos_id;  // empty: documents have no end token
};

/// Tokens that attend to one another. Row t predicts ids[t + 1] where t + 1 >= targets_from.
struct Document {
  std::vector<std::int32_t> ids;
  Index targets_from = 1;  // first token that is learnt, at least 1: nothing precedes token 0

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(ids.size()); }
  [[nodiscard]] Index target_count() const noexcept {
    return targets_from < size() ? size() - targets_from : 0;
  }
};

/// Ids of a prompt as training sees it, and so as generation must begin: with the post-processor's tokens,
/// but without an end token that it may append.
std::vector<std::int32_t> encode_prompt(const Encoder& encoder, std::string_view prompt);

/// The whole record, uncut, ending with exactly one EOS that the post-processor or this function adds.
///
/// A completion's tokens never merge with the prompt's: they are those of the joint text where its ids begin
/// with the prompt's (so that sentencepiece's space before a word is not added twice), else those of the
/// completion alone. Either way the document begins with encode_prompt(prompt).
Document encode_record(const Encoder& encoder, const Record& record);

/// Counts for the log, of one data set.
struct Statistics {
  Index records = 0;    // read
  Index documents = 0;  // kept; a cut record gives several
  Index tokens = 0;     // in kept documents
  Index targets = 0;    // of these, learnt
  Index cut = 0;        // records longer than the maximum, cut into windows
  Index dropped = 0;    // records, or windows of cut records, with nothing to learn

  /// The same as names and values, in the order in which to show them.
  [[nodiscard]] std::vector<std::pair<std::string_view, Index>> list() const;
};

struct Dataset {
  std::vector<Document> documents;  // each of at most max_seq_length tokens and with at least one target
  Statistics statistics;
};

/// Encodes all records. One longer than `max_seq_length` (at least 2) becomes windows of that length and a
/// shorter last one, without overlap, each a document of its own: the first token of a window is not learnt,
/// as in the usual Hugging Face scripts. Documents without targets (windows that end inside the prompt, empty
/// texts) are dropped. Throws Error if nothing is left; `source` names the data in its message.
Dataset build_dataset(const std::vector<Record>& records, const Encoder& encoder, Index max_seq_length,
                      std::string_view source);

/// read_records, then build_dataset.
Dataset load_dataset(const std::filesystem::path& file, const Encoder& encoder, Index max_seq_length);

}  // namespace lorry::data
