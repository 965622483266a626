// data/record.hpp: training examples as people write them, before any tokenizer.
#pragma once
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"
#include "text/conversation.hpp"

namespace lorry::data {

enum class RecordKind {
  kText,        // {"text"}: every token is learnt
  kCompletion,  // {"prompt", "completion"}: only the completion is learnt
  kMessages,    // {"messages": [{"role", "content"}], "tools"}: the assistant's turns are learnt
  kAlpaca,      // {"instruction", "input", "output", "system", "history"}: the output is learnt
  kSharegpt,    // {"conversations": [{"from", "value"}], "system", "tools"}: what "gpt" says is learnt
};

/// "text", "prompt and completion", "messages", "alpaca", "sharegpt".
std::string_view name_of(RecordKind kind);

/// Whether records of this kind are conversations.
constexpr bool is_chat(RecordKind kind) {
  return kind != RecordKind::kText && kind != RecordKind::kCompletion;
}

/// Keys under which a file has what it has; these are the usual ones.
struct RecordKeys {
  std::string text = "text";
  std::string prompt = "prompt", completion = "completion";
  std::string messages = "messages", role = "role", content = "content";
  std::string instruction = "instruction", input = "input", output = "output";
};

/// One of these: its option is "text-key", or in YAML "text_key".
struct RecordKeyName {
  std::string_view name;
  std::string RecordKeys::*key;
  std::string_view of;  // what stands under it
  RecordKind kind;      // of the records that have it
};

inline constexpr std::array<RecordKeyName, 9> kRecordKeyNames = {
    {{"text", &RecordKeys::text, "a text", RecordKind::kText},
     {"prompt", &RecordKeys::prompt, "a prompt", RecordKind::kCompletion},
     {"completion", &RecordKeys::completion, "its completion", RecordKind::kCompletion},
     {"messages", &RecordKeys::messages, "a list of messages", RecordKind::kMessages},
     {"role", &RecordKeys::role, "a message's role", RecordKind::kMessages},
     {"content", &RecordKeys::content, "a message's content", RecordKind::kMessages},
     {"instruction", &RecordKeys::instruction, "an alpaca instruction", RecordKind::kAlpaca},
     {"input", &RecordKeys::input, "an alpaca input", RecordKind::kAlpaca},
     {"output", &RecordKeys::output, "an alpaca output", RecordKind::kAlpaca}}};

/// A line for each option that changed `keys` and that no record of these kinds has: "--prompt-key has no
/// effect: ...".
std::vector<std::string> notes_on_keys(const RecordKeys& keys, const std::set<RecordKind>& kinds);

struct Record {
  RecordKind kind = RecordKind::kText;
  std::string prompt = {};               // kCompletion only; may be empty
  std::string text = {};                 // of kText and kCompletion: the text or the completion; valid UTF-8
  text::Conversation conversation = {};  // of the others
};

}  // namespace lorry::data
