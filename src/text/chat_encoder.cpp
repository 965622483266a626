#include "text/chat_encoder.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "core/error.hpp"

namespace lorry::text {

namespace {

using Ids = std::vector<std::int32_t>;

std::string spelling(const Tokenizer& tokenizer, std::optional<std::int32_t> id) {
  return id ? tokenizer.token(*id).value_or("") : "";
}

/// What the post-processor puts before a text.
Ids lead_of(const Tokenizer& tokenizer, std::optional<std::int32_t> eos) {
  Ids ids = tokenizer.encode("", true);
  if (eos && !ids.empty() && ids.back() == *eos) ids.pop_back();
  return ids;
}

}  // namespace

ChatEncoder::ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, const ChatTemplate& chat_template,
                         std::optional<std::int32_t> bos, std::optional<std::int32_t> eos)
    : tokenizer_(std::move(tokenizer)),
      template_(chat_template),
      tokens_{spelling(*tokenizer_, bos), spelling(*tokenizer_, eos)},
      turn_end_(template_.turn_end.empty() ? tokens_.eos : template_.turn_end),
      lead_(lead_of(*tokenizer_, eos)) {
  if (template_.turn_end.empty() && eos && tokenizer_->encode(tokens_.eos, false) != Ids{*eos}) {
    throw Error(
        "[chat] the template {} ends turns with \"{}\", which the tokenizer does not read as its end-of-text "
        "token; expected it among the added_tokens of tokenizer.json",
        template_.name, tokens_.eos);
  }
}

ChatIds ChatEncoder::encode(const Conversation& conversation, ChatEnd end) const {
  const RenderedChat chat = template_.render(conversation, tokens_, end);
  std::vector<Index> cuts;
  for (const Span& span : chat.learnt) cuts.insert(cuts.end(), {span.begin, span.end});
  if (end == ChatEnd::kAsk) cuts.push_back(std::ssize(chat.text));
  CutIds cut = tokenizer_->encode_cut(chat.text, cuts);
  const bool begun =
      cut.ids.size() >= lead_.size() && std::equal(lead_.begin(), lead_.end(), cut.ids.begin());
  const Index shift = begun ? 0 : std::ssize(lead_);
  if (!begun) cut.ids.insert(cut.ids.begin(), lead_.begin(), lead_.end());
  ChatIds result{.ids = std::move(cut.ids), .learnt = {}};
  for (std::size_t i = 0; i < chat.learnt.size(); ++i) {
    result.learnt.push_back({cut.at[2 * i] + shift, cut.at[2 * i + 1] + shift});
  }
  return result;
}

std::optional<std::int32_t> ChatEncoder::turn_end_id() const {
  const Ids ids = tokenizer_->encode(turn_end_, false);
  return ids.size() == 1 ? std::optional(ids.front()) : std::nullopt;
}

}  // namespace lorry::text
