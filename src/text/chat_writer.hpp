// text/chat_writer.hpp: what the templates are written with.
#pragma once
#include <string>
#include <string_view>

#include "text/chat_template.hpp"

namespace lorry::text {

/// Builds a text and the spans of it that are learnt.
class ChatWriter {
 public:
  template <class... Parts>
  void put(const Parts&... parts) {
    (chat_.text.append(std::string_view(parts)), ...);
  }
  /// A turn of the assistant.
  template <class... Parts>
  void learn(const Parts&... parts) {
    const auto begin = static_cast<Index>(chat_.text.size());
    put(parts...);
    chat_.learnt.push_back({begin, static_cast<Index>(chat_.text.size())});
  }
  [[nodiscard]] RenderedChat take() { return std::move(chat_); }

 private:
  RenderedChat chat_;
};

/// Without white space at both ends, as Python's str.strip and Jinja's trim have it. Valid UTF-8 in.
std::string_view python_strip(std::string_view text);

/// Throws Error unless user and assistant take turns from message `first` on, beginning with the user.
void require_turns(const Conversation& conversation, std::size_t first, std::string_view name);
/// Throws Error for a message with a role beside system, user and assistant.
void require_plain_roles(const Conversation& conversation, std::string_view name);
/// "[data] a.jsonl:3: messages[2].role".
std::string place_of_role(const Conversation& conversation, std::size_t message);

RenderedChat write_chatml(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_qwen2(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_smollm2(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_qwen25(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_qwen3(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_llama2(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_llama3(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_llama31(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_mistral(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_mistral_classic(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_zephyr(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_gemma(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_phi(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_alpaca(const Conversation&, const ChatTokens&, ChatEnd);
RenderedChat write_vicuna(const Conversation&, const ChatTokens&, ChatEnd);

}  // namespace lorry::text
