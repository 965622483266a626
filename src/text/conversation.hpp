// text/conversation.hpp: a conversation as data sets write it, before any template.
#pragma once
#include <string>
#include <vector>

namespace lorry::text {

/// A call of a function that the assistant asks for.
struct ToolCall {
  std::string name;
  std::string arguments;  // JSON as Jinja's tojson writes it, or the string that stood there
};

/// One turn. All texts are valid UTF-8.
struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  std::string input = {};                 // of an alpaca record: what the instruction is applied to
  std::vector<ToolCall> tool_calls = {};  // of the assistant
};

struct Conversation {
  std::vector<Message> messages;
  std::vector<std::string> tools = {};  // each as JSON, as Jinja's tojson writes it
  std::string where = {};               // begins messages about it: "[data] a.jsonl:3"
};

}  // namespace lorry::text
