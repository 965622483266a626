// The templates but those of Qwen. Each follows the Jinja text of chat_template.cpp line by line.
#include "text/chat_writer.hpp"

#include "core/error.hpp"

namespace lorry::text {

namespace {

constexpr std::string_view kAlpacaTask =
    "Below is an instruction that describes a task. Write a response that appropriately completes the "
    "request.";
constexpr std::string_view kAlpacaTaskWithInput =
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a "
    "response that appropriately completes the request.";
constexpr std::string_view kVicunaSystem =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the user's questions.";

bool begins_with_system(const Conversation& chat) {
  return !chat.messages.empty() && chat.messages.front().role == "system";
}

/// The system message's content; empty without one.
std::string_view system_of(const Conversation& chat) {
  return begins_with_system(chat) ? std::string_view(chat.messages.front().content) : std::string_view();
}

/// What an alpaca record asks, in a template that has no place of its own for the input.
std::string question_of(const Message& message) {
  return message.input.empty() ? message.content : message.content + "\n" + message.input;
}

/// Turns between headers, as llama3 has them.
void put_llama3_turns(const Conversation& chat, std::size_t first, ChatEnd end, ChatWriter& writer) {
  for (std::size_t i = first; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    const std::string question = question_of(message);
    writer.put("<|start_header_id|>", message.role, "<|end_header_id|>\n\n");
    if (message.role == "assistant") {
      writer.learn(python_strip(question), "<|eot_id|>");
    } else {
      writer.put(python_strip(question), "<|eot_id|>");
    }
  }
  if (end == ChatEnd::kAsk) writer.put("<|start_header_id|>assistant<|end_header_id|>\n\n");
}

/// Turns between tags that hold the role, as zephyr and phi have them.
void put_tagged_turns(const Conversation& chat, std::string_view turn_end, ChatEnd end, ChatWriter& writer) {
  for (const Message& message : chat.messages) {
    writer.put("<|", message.role, "|>\n");
    if (message.role == "assistant") {
      writer.learn(message.content, turn_end);
    } else {
      writer.put(question_of(message), turn_end);
    }
    writer.put("\n");
  }
  if (end == ChatEnd::kAsk) writer.put("<|assistant|>\n");
}

/// Alternating turns; `ask` writes a question, the first one of which may hold the system message.
template <class Ask>
RenderedChat write_turns(const Conversation& chat, std::string_view name, std::string_view before_answer,
                         std::string_view after_answer, bool strip, const Ask& ask) {
  ChatWriter writer;
  const std::size_t first = begins_with_system(chat) ? 1 : 0;
  require_turns(chat, first, name);
  for (std::size_t i = first; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    if (message.role == "user") {
      ask(writer, question_of(message), i == first);
    } else {
      const std::string_view answer =
          strip ? python_strip(message.content) : std::string_view(message.content);
      writer.learn(before_answer, answer, after_answer);
    }
  }
  return writer.take();
}

}  // namespace

RenderedChat write_llama2(const Conversation& chat, const ChatTokens& tokens, ChatEnd /*end*/) {
  const std::string_view system = system_of(chat);
  const auto ask = [&](ChatWriter& writer, std::string question, bool first) {
    if (first && begins_with_system(chat)) {
      question = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n{}", system, question);
    }
    writer.put(tokens.bos, "[INST] ", python_strip(question), " [/INST]");
  };
  const std::string after = fmt::format(" {}", tokens.eos);
  return write_turns(chat, "llama2", " ", after, true, ask);
}

RenderedChat write_llama3(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  require_plain_roles(chat, "llama3");
  ChatWriter writer;
  writer.put(tokens.bos);
  put_llama3_turns(chat, 0, end, writer);
  return writer.take();
}

RenderedChat write_llama31(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  require_plain_roles(chat, "llama3.1");
  ChatWriter writer;
  // The date is the one that the template falls back to: today's would make no two runs the same.
  writer.put(tokens.bos, "<|start_header_id|>system<|end_header_id|>\n\n",
             "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n",
             python_strip(system_of(chat)), "<|eot_id|>");
  put_llama3_turns(chat, begins_with_system(chat) ? 1 : 0, end, writer);
  return writer.take();
}

RenderedChat write_mistral(const Conversation& chat, const ChatTokens& tokens, ChatEnd /*end*/) {
  const auto ask = [&](ChatWriter& writer, const std::string& question, bool first) {
    if (first) writer.put(tokens.bos);
    writer.put(" [INST] ");
    if (first && begins_with_system(chat)) writer.put(system_of(chat), "\n\n");
    writer.put(question, " [/INST]");
  };
  return write_turns(chat, "mistral", " ", tokens.eos, false, ask);
}

RenderedChat write_mistral_classic(const Conversation& chat, const ChatTokens& tokens, ChatEnd /*end*/) {
  if (begins_with_system(chat)) {
    throw Error("{}: found \"system\"; expected user or assistant: the template mistral-classic has no other",
                place_of_role(chat, 0));
  }
  const auto ask = [&](ChatWriter& writer, const std::string& question, bool first) {
    if (first) writer.put(tokens.bos);
    writer.put("[INST] ", question, " [/INST]");
  };
  return write_turns(chat, "mistral-classic", "", tokens.eos, false, ask);
}

RenderedChat write_zephyr(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  require_plain_roles(chat, "zephyr");
  ChatWriter writer;
  put_tagged_turns(chat, tokens.eos, end, writer);
  return writer.take();
}

RenderedChat write_phi(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  require_plain_roles(chat, "phi");
  ChatWriter writer;
  put_tagged_turns(chat, "<|end|>", end, writer);
  if (end == ChatEnd::kAsItIs) writer.put(tokens.eos);
  return writer.take();
}

RenderedChat write_gemma(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  if (begins_with_system(chat)) {
    throw Error("{}: found \"system\"; expected user or assistant: the template gemma has no other",
                place_of_role(chat, 0));
  }
  require_turns(chat, 0, "gemma");
  ChatWriter writer;
  writer.put(tokens.bos);
  for (const Message& message : chat.messages) {
    if (message.role == "user") {
      const std::string question = question_of(message);
      writer.put("<start_of_turn>user\n", python_strip(question), "<end_of_turn>\n");
    } else {
      writer.put("<start_of_turn>model\n");
      writer.learn(python_strip(message.content), "<end_of_turn>");
      writer.put("\n");
    }
  }
  if (end == ChatEnd::kAsk) writer.put("<start_of_turn>model\n");
  return writer.take();
}

RenderedChat write_alpaca(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  const std::size_t first = begins_with_system(chat) ? 1 : 0;
  require_turns(chat, first, "alpaca");
  ChatWriter writer;
  const bool has_input = chat.messages.size() > first && !chat.messages[first].input.empty();
  writer.put(first == 1 ? system_of(chat) : has_input ? kAlpacaTaskWithInput : kAlpacaTask);
  for (std::size_t i = first; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    if (message.role == "user") {
      writer.put("\n\n### Instruction:\n", message.content);
      if (!message.input.empty()) writer.put("\n\n### Input:\n", message.input);
      if (end == ChatEnd::kAsk || i + 1 < chat.messages.size()) writer.put("\n\n### Response:\n");
    } else {
      writer.learn(message.content, tokens.eos);
    }
  }
  return writer.take();
}

RenderedChat write_vicuna(const Conversation& chat, const ChatTokens& tokens, ChatEnd end) {
  const std::size_t first = begins_with_system(chat) ? 1 : 0;
  require_turns(chat, first, "vicuna");
  ChatWriter writer;
  writer.put(first == 1 ? system_of(chat) : kVicunaSystem, " ");
  for (std::size_t i = first; i < chat.messages.size(); ++i) {
    const Message& message = chat.messages[i];
    if (message.role == "user") {
      writer.put("USER: ", question_of(message));
      if (end == ChatEnd::kAsk || i + 1 < chat.messages.size()) writer.put(" ASSISTANT:");
    } else {
      writer.learn(" ", message.content, tokens.eos);
    }
  }
  return writer.take();
}

}  // namespace lorry::text
