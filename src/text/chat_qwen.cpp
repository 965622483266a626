// chatml and the templates of Qwen, which are chatml with a system message, tools and thoughts of their own.
#include <fmt/format.h>

#include <algorithm>

#include "text/chat_writer.hpp"

namespace lorry::text {

namespace {

constexpr std::string_view kStart = "<|im_start|>";
constexpr std::string_view kEnd = "<|im_end|>";
constexpr std::string_view kToolsBegin =
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with "
    "function signatures within <tools></tools> XML tags:\n<tools>";
constexpr std::string_view kToolsEnd =
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": "
    "<args-json-object>}\n</tool_call>";
constexpr std::string_view kNoThought = "<think>\n\n</think>\n\n";

bool begins_with(const Conversation& chat, std::string_view role) {
  return !chat.messages.empty() && chat.messages.front().role == role;
}

std::string content_of(const Message& message) {
  return message.input.empty() ? message.content : message.content + "\n" + message.input;
}

/// A message as chatml has it.
void put_message(const Message& message, ChatWriter& writer) {
  writer.put(kStart, message.role, "\n");
  if (message.role == "assistant") {
    writer.learn(message.content, kEnd);
  } else {
    writer.put(content_of(message), kEnd);
  }
  writer.put("\n");
}

void put_question(ChatEnd end, ChatWriter& writer) {
  if (end == ChatEnd::kAsk) writer.put(kStart, "assistant\n");
}

RenderedChat write_with_system(const Conversation& chat, ChatEnd end, std::string_view system) {
  ChatWriter writer;
  if (!begins_with(chat, "system")) writer.put(kStart, "system\n", system, kEnd, "\n");
  for (const Message& message : chat.messages) put_message(message, writer);
  put_question(end, writer);
  return writer.take();
}

std::string call_text(const ToolCall& call) {
  return fmt::format("<tool_call>\n{{\"name\": \"{}\", \"arguments\": {}}}\n</tool_call>", call.name,
                     call.arguments);
}

/// Results of tools that follow one another share a turn of the user.
void put_tool_result(const Conversation& chat, std::size_t i, ChatWriter& writer) {
  const auto is_tool = [&](std::size_t k) {
    return k < chat.messages.size() && chat.messages[k].role == "tool";
  };
  if (i == 0 || !is_tool(i - 1)) writer.put(kStart, "user");
  writer.put("\n<tool_response>\n", chat.messages[i].content, "\n</tool_response>");
  if (!is_tool(i + 1)) writer.put(kEnd, "\n");
}

std::string_view strip_lines(std::string_view text) {
  const std::size_t begin = text.find_first_not_of('\n');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of('\n') - begin + 1);
}

std::string_view strip_lines_before(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
}

/// An answer of qwen3 taken apart: what stands in <think>, and the rest.
struct Thought {
  std::string_view reasoning;
  std::string_view answer;
};

Thought take_apart(std::string_view content) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  const std::size_t first = content.find(kClose);
  if (first == std::string_view::npos) return {{}, content};
  std::string_view reasoning = content.substr(0, first);
  while (reasoning.ends_with('\n')) reasoning.remove_suffix(1);
  const std::size_t open = reasoning.rfind(kOpen);
  if (open != std::string_view::npos) reasoning.remove_prefix(open + kOpen.size());
  return {strip_lines_before(reasoning),
          strip_lines_before(content.substr(content.rfind(kClose) + kClose.size()))};
}

/// The last question, behind which thoughts are shown: results of tools written as the user's do not count.
std::size_t last_question(const Conversation& chat) {
  for (std::size_t i = chat.messages.size(); i-- > 0;) {
    const Message& message = chat.messages[i];
    const bool result =
        message.content.starts_with("<tool_response>") && message.content.ends_with("</tool_response>");
    if (message.role == "user" && !result) return i;
  }
  return chat.messages.empty() ? 0 : chat.messages.size() - 1;
}

/// The assistant's turn of qwen3. An empty thought is announced, not learnt: it is what the template writes
/// where there is none.
void put_qwen3_answer(const Conversation& chat, std::size_t i, std::size_t question, ChatWriter& writer) {
  const Message& message = chat.messages[i];
  const auto [reasoning, answer] = take_apart(message.content);
  std::string text;
  writer.put(kStart, "assistant\n");
  if (i > question && (i + 1 == chat.messages.size() || !reasoning.empty())) {
    if (strip_lines(reasoning).empty()) {
      writer.put(kNoThought);
    } else {
      text = fmt::format("<think>\n{}\n</think>\n\n", strip_lines(reasoning));
    }
    text += strip_lines_before(answer);
  } else {
    text += answer;
  }
  for (std::size_t k = 0; k < message.tool_calls.size(); ++k) {
    if (k > 0 || !answer.empty()) text += "\n";
    text += call_text(message.tool_calls[k]);
  }
  writer.learn(text, kEnd);
  writer.put("\n");
}

}  // namespace

RenderedChat write_chatml(const Conversation& chat, const ChatTokens& /*tokens*/, ChatEnd end) {
  ChatWriter writer;
  for (const Message& message : chat.messages) put_message(message, writer);
  put_question(end, writer);
  return writer.take();
}

RenderedChat write_qwen2(const Conversation& chat, const ChatTokens& /*tokens*/, ChatEnd end) {
  return write_with_system(chat, end, "You are a helpful assistant.");
}

RenderedChat write_smollm2(const Conversation& chat, const ChatTokens& /*tokens*/, ChatEnd end) {
  return write_with_system(chat, end, "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
}

RenderedChat write_qwen25(const Conversation& chat, const ChatTokens& /*tokens*/, ChatEnd end) {
  ChatWriter writer;
  const bool has_system = begins_with(chat, "system");
  writer.put(kStart, "system\n",
             has_system ? std::string_view(chat.messages.front().content)
                        : "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
  if (!chat.tools.empty()) {
    writer.put("\n\n", kToolsBegin);
    for (const std::string& tool : chat.tools) writer.put("\n", tool);
    writer.put(kToolsEnd);
  }
  writer.put(kEnd, "\n");
  for (std::size_t i = has_system ? 1 : 0; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    if (message.role == "tool") {
      put_tool_result(chat, i, writer);
    } else if (message.tool_calls.empty()) {
      put_message(message, writer);
    } else {
      std::string answer = message.content;
      for (const ToolCall& call : message.tool_calls) (answer += '\n') += call_text(call);
      // Without content the template's line break behind the role is that of the first call.
      writer.put(kStart, "assistant\n");
      writer.learn(message.content.empty() ? std::string_view(answer).substr(1) : answer, kEnd);
      writer.put("\n");
    }
  }
  put_question(end, writer);
  return writer.take();
}

RenderedChat write_qwen3(const Conversation& chat, const ChatTokens& /*tokens*/, ChatEnd end) {
  ChatWriter writer;
  const bool has_system = begins_with(chat, "system");
  if (!chat.tools.empty()) {
    writer.put(kStart, "system\n");
    if (has_system) writer.put(chat.messages.front().content, "\n\n");
    writer.put(kToolsBegin);
    for (const std::string& tool : chat.tools) writer.put("\n", tool);
    writer.put(kToolsEnd, kEnd, "\n");
  } else if (has_system) {
    put_message(chat.messages.front(), writer);
  }
  const std::size_t question = last_question(chat);
  for (std::size_t i = has_system ? 1 : 0; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    if (message.role == "tool") {
      put_tool_result(chat, i, writer);
    } else if (message.role == "assistant") {
      put_qwen3_answer(chat, i, question, writer);
    } else {
      put_message(message, writer);
    }
  }
  put_question(end, writer);
  // Fine-tunes seldom hold thoughts; asked without one, the model answers as it was taught.
  if (end == ChatEnd::kAsk) writer.put(kNoThought);
  return writer.take();
}

}  // namespace lorry::text
