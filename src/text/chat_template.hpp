// text/chat_template.hpp: conversations as the text that a family of models was trained on. Written natively;
// the Jinja text that Hugging Face models carry is recognised, never run.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "text/conversation.hpp"
#include "text/regex.hpp"

namespace lorry::text {

/// How this tokenizer spells the tokens that templates name; empty where it has none.
struct ChatTokens {
  std::string bos, eos;
};

/// What comes after the last message.
enum class ChatEnd {
  kAsItIs,  // nothing: a whole conversation, to learn from
  kAsk,     // whatever an answer of the assistant begins with
};

struct RenderedChat {
  std::string text;
  /// The assistant's turns in `text`: from behind what announces a turn to behind the token that ends it. Up
  /// to a span's begin, `text` is what kAsk gives for the messages before it (in qwen3 for the last turn,
  /// where that holds no thought: the template takes thoughts out of earlier turns).
  std::vector<Span> learnt;
};

/// A template by its name. The table of them is the only list of names.
struct ChatTemplate {
  std::string_view name;
  /// The same as Jinja, for other programs (chat_template.jinja). What it raises is an Error here.
  std::string_view jinja;
  bool shows_tools = false;       // lists of tools, calls of tools and their results have a place in it
  std::string_view answer_start;  // stands before what the assistant says, as part of the turn
  std::string_view turn_end;      // ends the assistant's turns; empty: the EOS token
  RenderedChat (*write)(const Conversation&, const ChatTokens&, ChatEnd) = nullptr;

  /// Throws Error, beginning with the conversation's `where`, for roles in an order that the template does
  /// not take, for roles and calls of tools that it has no place for, and for a template that ends turns by
  /// EOS where the tokenizer has none.
  [[nodiscard]] RenderedChat render(const Conversation& conversation, const ChatTokens& tokens,
                                    ChatEnd end) const;
};

/// "chatml, llama2, ...".
std::string chat_template_names();
/// Null for a name that none has.
const ChatTemplate* find_chat_template(std::string_view name);
/// The template whose Jinja text a model carries. Null for one that is not known: two templates that differ
/// in anything but spelling (text/jinja_shape.hpp) are never taken for each other.
const ChatTemplate* recognise_chat_template(std::string_view jinja);
/// For messages: names of the templates that share telltale strings with an unknown Jinja text, such as
/// "chatml"; often empty.
std::string resembling_chat_templates(std::string_view jinja);

}  // namespace lorry::text
