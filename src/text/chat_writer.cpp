#include "text/chat_writer.hpp"

#include "core/error.hpp"
#include "text/unicode.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

std::string_view python_strip(std::string_view text) {
  Index begin = -1;
  Index end = 0;
  for_each_code_point(text, [&](char32_t c, Index from, Index to) {
    if (is_whitespace(c) || (c >= 0x1C && c <= 0x1F)) return;  // Python counts the four separators in
    if (begin < 0) begin = from;
    end = to;
  });
  if (begin < 0) return {};
  return text.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

std::string place_of_role(const Conversation& conversation, std::size_t message) {
  return fmt::format("{}: messages[{}].role", conversation.where, message);
}

void require_turns(const Conversation& conversation, std::size_t first, std::string_view name) {
  for (std::size_t i = first; i < conversation.messages.size(); ++i) {
    const std::string_view expected = (i - first) % 2 == 0 ? "user" : "assistant";
    if (conversation.messages[i].role == expected) continue;
    throw Error("{}: found \"{}\"; expected \"{}\": in the template {} user and assistant take turns",
                place_of_role(conversation, i), conversation.messages[i].role, expected, name);
  }
}

void require_plain_roles(const Conversation& conversation, std::string_view name) {
  for (std::size_t i = 0; i < conversation.messages.size(); ++i) {
    const std::string& role = conversation.messages[i].role;
    if (role == "system" || role == "user" || role == "assistant") continue;
    throw Error("{}: found \"{}\"; expected system, user or assistant: the template {} has no other",
                place_of_role(conversation, i), role, name);
  }
}

}  // namespace lorry::text
