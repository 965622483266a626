#include "data/json_record.hpp"

#include <array>
#include <utility>

#include "core/error.hpp"
#include "data/record_parser.hpp"
#include "io/message_text.hpp"

namespace lorry::data {
namespace {

using text::Message;

[[noreturn]] void throw_type(const Json& found, const std::string& where, std::string_view path,
                             std::string_view expected) {
  throw Error(R"([data] {}: key "{}": found {}; expected {})", where, path, found.type_name(), expected);
}

const Json& get_list(const Json& object, const std::string& key, const std::string& where) {
  const Json& list = get_member(object, key, where, key);
  if (!list.is_array()) throw_type(list, where, key, "a list");
  if (list.empty()) throw Error(R"([data] {}: key "{}": empty; expected at least one message)", where, key);
  return list;
}

/// A list, or a string that holds one as JSON, as LLaMA-Factory writes it.
std::vector<std::string> get_tools(const Json& object, const std::string& where) {
  std::vector<std::string> tools;
  const auto found = object.find("tools");
  if (found == object.end() || found->is_null()) return tools;
  Json list = *found;
  if (list.is_string()) {
    const std::string text = list.get<std::string>();
    if (text.empty()) return tools;
    list = Json::parse(text, nullptr, false);
  }
  if (!list.is_array()) throw_type(*found, where, "tools", "a list, or a string with one as JSON");
  for (const Json& tool : list) tools.push_back(python_json(tool, where));
  return tools;
}

text::ToolCall get_tool_call(const Json& value, const std::string& where, const std::string& path) {
  if (!value.is_object()) throw_type(value, where, path, "an object");
  const auto inner = value.find("function");
  const Json& call = inner == value.end() ? value : *inner;
  if (!call.is_object()) throw_type(call, where, path + ".function", "an object");
  const Json& arguments = get_member(call, "arguments", where, path + ".arguments");
  return {.name = get_string(call, "name", where, path + ".name"),
          .arguments = arguments.is_string() ? arguments.get<std::string>() : python_json(arguments, where)};
}

void check_role(const std::string& role, const std::string& where, const std::string& path) {
  for (const std::string_view known : {"system", "user", "assistant", "tool"}) {
    if (role == known) return;
  }
  throw Error(R"([data] {}: key "{}": found {}; expected system, user, assistant or tool)", where, path,
              io::in_quotes(role));
}

Message get_message(const Json& value, const RecordKeys& keys, const std::string& where,
                    const std::string& path) {
  if (!value.is_object()) throw_type(value, where, path, "an object");
  Message message{.role = get_string(value, keys.role, where, path + "." + keys.role), .content = {}};
  check_role(message.role, where, path + "." + keys.role);
  const auto calls = value.find("tool_calls");
  const bool has_calls = calls != value.end() && !calls->is_null() && !calls->empty();
  if (has_calls) {
    if (!calls->is_array()) throw_type(*calls, where, path + ".tool_calls", "a list");
    for (std::size_t i = 0; i < calls->size(); ++i) {
      message.tool_calls.push_back(
          get_tool_call((*calls)[i], where, fmt::format("{}.tool_calls[{}]", path, i)));
    }
    message.content = get_string_or_empty(value, keys.content, where);
  } else {
    message.content = get_string(value, keys.content, where, path + "." + keys.content);
  }
  return message;
}

std::vector<Message> get_messages(const Json& object, const RecordKeys& keys, const std::string& where) {
  std::vector<Message> messages;
  const Json& list = get_list(object, keys.messages, where);
  for (std::size_t i = 0; i < list.size(); ++i) {
    messages.push_back(get_message(list[i], keys, where, fmt::format("{}[{}]", keys.messages, i)));
  }
  return messages;
}

std::string role_of_sharegpt(const std::string& from, const std::string& where, const std::string& path) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kRoles = {{
      {"human", "user"},
      {"user", "user"},
      {"gpt", "assistant"},
      {"assistant", "assistant"},
      {"chatgpt", "assistant"},
      {"model", "assistant"},
      {"system", "system"},
      {"tool", "tool"},
      {"observation", "tool"},
  }};
  for (const auto& [theirs, ours] : kRoles) {
    if (from == theirs) return std::string(ours);
  }
  throw Error(R"([data] {}: key "{}": found {}; expected human, gpt, system or tool)", where, path,
              io::in_quotes(from));
}

void put_system(const Json& object, const std::string& where, std::vector<Message>& messages) {
  std::string system = get_string_or_empty(object, "system", where);
  if (!system.empty()) messages.insert(messages.begin(), {.role = "system", .content = std::move(system)});
}

std::vector<Message> get_sharegpt(const Json& object, const std::string& where) {
  std::vector<Message> messages;
  const Json& list = get_list(object, "conversations", where);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string path = fmt::format("conversations[{}]", i);
    if (!list[i].is_object()) throw_type(list[i], where, path, "an object");
    const std::string from = get_string(list[i], "from", where, path + ".from");
    messages.push_back({.role = role_of_sharegpt(from, where, path + ".from"),
                        .content = get_string(list[i], "value", where, path + ".value")});
  }
  put_system(object, where, messages);
  return messages;
}

/// Earlier turns of an alpaca record: [[question, answer], ...].
void put_history(const Json& object, const std::string& where, std::vector<Message>& messages) {
  const auto history = object.find("history");
  if (history == object.end() || history->is_null()) return;
  const auto is_turn = [](const Json& turn) {
    return turn.is_array() && turn.size() == 2 && turn[0].is_string() && turn[1].is_string();
  };
  if (!history->is_array()) throw_type(*history, where, "history", "a list of [question, answer]");
  for (const Json& turn : *history) {
    if (!is_turn(turn)) throw_type(turn, where, "history", "a list of [question, answer]");
    messages.push_back({.role = "user", .content = turn[0].get<std::string>()});
    messages.push_back({.role = "assistant", .content = turn[1].get<std::string>()});
  }
}

std::vector<Message> get_alpaca(const Json& object, const RecordKeys& keys, const std::string& where) {
  std::vector<Message> messages;
  put_history(object, where, messages);
  messages.push_back({.role = "user",
                      .content = get_string(object, keys.instruction, where, keys.instruction),
                      .input = get_string_or_empty(object, keys.input, where)});
  std::string output = get_string(object, keys.output, where, keys.output);
  if (output.empty()) {
    throw Error(R"([data] {}: key "{}": empty; expected text to learn)", where, keys.output);
  }
  messages.push_back({.role = "assistant", .content = std::move(output)});
  put_system(object, where, messages);
  return messages;
}

}  // namespace

const Json& get_member(const Json& object, const std::string& key, const std::string& where,
                       std::string_view path) {
  const auto found = object.find(key);
  if (found == object.end()) {
    throw Error(R"([data] {}: key "{}": missing; expected it as in the file's first record)", where, path);
  }
  return *found;
}

std::string get_string(const Json& object, const std::string& key, const std::string& where,
                       std::string_view path) {
  const Json& found = get_member(object, key, where, path);
  if (!found.is_string()) throw_type(found, where, path, "a string");
  return found.get<std::string>();
}

std::string get_string_or_empty(const Json& object, const std::string& key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_string()) throw_type(*found, where, key, "a string");
  return found->get<std::string>();
}

text::Conversation to_conversation(const Json& object, RecordKind kind, const RecordKeys& keys,
                                   const std::string& where) {
  text::Conversation conversation{.messages = {}, .where = "[data] " + where};
  if (kind == RecordKind::kMessages) {
    conversation.messages = get_messages(object, keys, where);
  } else if (kind == RecordKind::kSharegpt) {
    conversation.messages = get_sharegpt(object, where);
  } else {
    conversation.messages = get_alpaca(object, keys, where);
  }
  if (kind != RecordKind::kAlpaca) conversation.tools = get_tools(object, where);
  return conversation;
}

}  // namespace lorry::data
