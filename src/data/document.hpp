// data/document.hpp: a record as tokens, and what is learnt of it.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "core/index.hpp"
#include "data/record.hpp"
#include "text/chat_encoder.hpp"

namespace lorry::data {

/// The tokenizer as this folder sees it.
struct Encoder {
  /// Token ids of a UTF-8 text; with what the post-processor adds (BOS, ...) if `special_tokens`.
  std::function<std::vector<std::int32_t>(std::string_view text, bool special_tokens)> encode;
  std::optional<std::int32_t> eos_id;  // empty: documents have no end token

  /// The template for records of a kind; throws Error where there is none. Empty: no conversations here.
  std::function<std::shared_ptr<const text::ChatEncoder>(RecordKind kind)> chat = {};
  bool chat_completions = false;  // a prompt and its completion are a conversation, too
  bool train_on_prompt = false;   // every token is learnt
};

/// Whether records of this kind are written by a template.
bool uses_template(const Encoder& encoder, RecordKind kind);

/// Rows [begin, end) of a document.
struct TokenSpan {
  Index begin = 0;
  Index end = 0;

  friend bool operator==(const TokenSpan&, const TokenSpan&) = default;
};

/// What tells prompts apart: the tokens before the first one that is learnt.
struct PromptKey {
  std::size_t hash = 0;  // of these; equal ones may yet differ
  Index tokens = 0;

  friend bool operator<(const PromptKey& a, const PromptKey& b) noexcept {
    return std::tie(a.hash, a.tokens) < std::tie(b.hash, b.tokens);
  }
};

/// Tokens that attend to one another. Row t predicts ids[t + 1] where that token is learnt.
struct Document {
  std::vector<std::int32_t> ids;
  Index targets_from = 1;  // first token that is learnt, at least 1: nothing precedes token 0
  std::vector<TokenSpan> masked =
      {};  // later tokens that are not learnt, ascending, apart: other people's turns

  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(ids.size()); }
  [[nodiscard]] Index target_count() const noexcept;
  /// The tokens before targets_from.
  [[nodiscard]] std::span<const std::int32_t> prompt() const noexcept {
    return std::span(ids).first(static_cast<std::size_t>(std::min(targets_from, size())));
  }
  [[nodiscard]] PromptKey prompt_key() const noexcept;
  /// Whether token t is learnt.
  [[nodiscard]] bool learns(Index t) const noexcept;
};

/// Ids of a prompt as training sees it, and so as generation must begin: with the post-processor's tokens,
/// but without an end token that it may append. A BOS that the prompt spells out as well stands there once.
std::vector<std::int32_t> encode_prompt(const Encoder& encoder, std::string_view prompt);

/// The whole record, uncut. Texts and completions end with an EOS: one that they spell out, or else one that
/// is added; conversations end as their template says.
///
/// A completion's tokens never merge with the prompt's: they are those of the joint text where its ids begin
/// with the prompt's (so that sentencepiece's space before a word is not added twice), else those of the
/// completion alone. Either way the document begins with encode_prompt(prompt). Throws Error, see
/// Encoder::chat and text::ChatTemplate::render.
Document encode_record(const Encoder& encoder, const Record& record);

/// Tokens [first, last) of a longer document, as a document of their own: the first is not learnt, as in the
/// usual Hugging Face scripts.
Document cut_window(const Document& document, Index first, Index last);

}  // namespace lorry::data
