// text/chat_encoder.hpp: conversations as token ids: the same for training and for an answer's beginning.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {

struct ChatIds {
  std::vector<std::int32_t> ids;
  std::vector<Span> learnt;  // ranges of ids: the assistant's turns, each with the token that ends it
};

/// A template with a tokenizer. const calls may run at once.
class ChatEncoder {
 public:
  /// `bos` and `eos` are the model's. The template must outlive this object. Throws Error for an EOS that the
  /// template needs and the tokenizer does not find in a text.
  ChatEncoder(std::shared_ptr<const Tokenizer> tokenizer, const ChatTemplate& chat_template,
              std::optional<std::int32_t> bos, std::optional<std::int32_t> eos);

  /// The ids that `transformers` gives for the text of the template, but that no token lies across the begin
  /// or end of an answer; begun by what the tokenizer begins every text with (BOS), once. With ChatEnd::kAsk
  /// the ids are those with which a conversation that has the answer begins. Throws Error, as
  /// ChatTemplate::render.
  [[nodiscard]] ChatIds encode(const Conversation& conversation, ChatEnd end) const;

  [[nodiscard]] const ChatTemplate& chat_template() const { return template_; }
  /// What ends the assistant's turns, as text.
  [[nodiscard]] const std::string& turn_end() const { return turn_end_; }
  /// The same as a token; nothing where the tokenizer has none of its own for it.
  [[nodiscard]] std::optional<std::int32_t> turn_end_id() const;

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  const ChatTemplate& template_;
  ChatTokens tokens_;
  std::string turn_end_;
  std::vector<std::int32_t> lead_;  // begins every text
};

}  // namespace lorry::text
