#include "data/document.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace lorry::data {
namespace {

using Ids = std::vector<std::int32_t>;

void append_eos(const Encoder& encoder, Ids& ids) {
  if (!encoder.eos_id) return;
  if (ids.empty() || ids.back() != *encoder.eos_id) ids.push_back(*encoder.eos_id);
}

bool starts_with(std::span<const std::int32_t> ids, const Ids& prefix) {
  return ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
}

/// Of a text that spells out what the post-processor begins every text with (BOS), that stands there once.
void drop_second_lead(const Encoder& encoder, Ids& ids) {
  Ids lead = encoder.encode("", true);
  if (encoder.eos_id && !lead.empty() && lead.back() == *encoder.eos_id) lead.pop_back();
  if (lead.empty() || !starts_with(ids, lead) || !starts_with(std::span(ids).subspan(lead.size()), lead))
    return;
  ids.erase(ids.begin(), ids.begin() + std::ssize(lead));
}

Index count_at_end(const Ids& ids, std::int32_t id) {
  return std::find_if(ids.rbegin(), ids.rend(), [id](std::int32_t other) { return other != id; }) -
         ids.rbegin();
}

Document encode_completion(const Encoder& encoder, const Record& record) {
  Document document;
  Ids prompt = encode_prompt(encoder, record.prompt);
  document.targets_from = std::max<Index>(1, static_cast<Index>(prompt.size()));
  document.ids = encode_prompt(encoder, record.prompt + record.text);
  if (!starts_with(document.ids, prompt)) {
    const Ids completion = encoder.encode(record.text, false);
    document.ids = std::move(prompt);
    document.ids.insert(document.ids.end(), completion.begin(), completion.end());
  }
  append_eos(encoder, document.ids);
  return document;
}

text::Conversation as_conversation(const Record& record) {
  if (is_chat(record.kind)) return record.conversation;
  return {
      .messages = {{.role = "user", .content = record.prompt}, {.role = "assistant", .content = record.text}},
      .where = record.conversation.where};
}

Document encode_conversation(const Encoder& encoder, const Record& record) {
  LORRY_CHECK(encoder.chat != nullptr);
  text::ChatIds chat = encoder.chat(record.kind)->encode(as_conversation(record), text::ChatEnd::kAsItIs);
  Document document{.ids = std::move(chat.ids)};
  document.targets_from = document.size();
  Index masked_from = 0;
  for (const auto& [begin, end] : chat.learnt) {
    if (document.targets_from == document.size()) {
      document.targets_from = std::max<Index>(1, begin);
    } else if (masked_from < begin) {
      document.masked.push_back({masked_from, begin});
    }
    masked_from = end;
  }
  if (!chat.learnt.empty() && masked_from < document.size()) {
    document.masked.push_back({masked_from, document.size()});
  }
  return document;
}

}  // namespace

bool uses_template(const Encoder& encoder, RecordKind kind) {
  return is_chat(kind) || (kind == RecordKind::kCompletion && encoder.chat_completions);
}

Index Document::target_count() const noexcept {
  Index count = std::max<Index>(0, size() - targets_from);
  for (const TokenSpan& span : masked) count -= span.end - span.begin;
  return count;
}

PromptKey Document::prompt_key() const noexcept {
  const std::span<const std::int32_t> tokens = prompt();
  const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  return {.hash = std::hash<std::string_view>()(bytes), .tokens = std::ssize(tokens)};
}

bool Document::learns(Index t) const noexcept {
  if (t < targets_from || t >= size()) return false;
  return std::none_of(masked.begin(), masked.end(),
                      [t](const TokenSpan& span) { return span.begin <= t && t < span.end; });
}

std::vector<std::int32_t> encode_prompt(const Encoder& encoder, std::string_view prompt) {
  Ids ids = encoder.encode(prompt, true);
  drop_second_lead(encoder, ids);
  if (!encoder.eos_id || ids.empty() || ids.back() != *encoder.eos_id) return ids;
  // An end token that the text itself spells out stays; one that the post-processor appends goes.
  const Ids plain = encoder.encode(prompt, false);
  if (count_at_end(ids, *encoder.eos_id) > count_at_end(plain, *encoder.eos_id)) ids.pop_back();
  return ids;
}

Document encode_record(const Encoder& encoder, const Record& record) {
  Document document;
  if (uses_template(encoder, record.kind)) {
    document = encode_conversation(encoder, record);
  } else if (record.kind == RecordKind::kCompletion) {
    document = encode_completion(encoder, record);
  } else if (!record.text.empty()) {  // else nothing to learn, not even where to stop
    document.ids = encode_prompt(encoder, record.text);
    append_eos(encoder, document.ids);
  }
  if (encoder.train_on_prompt) {
    document.targets_from = 1;
    document.masked.clear();
  }
  return document;
}

Document cut_window(const Document& document, Index first, Index last) {
  Document window;
  window.ids.assign(document.ids.begin() + first, document.ids.begin() + last);
  window.targets_from = std::clamp<Index>(document.targets_from - first, 1, last - first);
  for (const TokenSpan& span : document.masked) {
    const Index begin = std::max(span.begin - first, window.targets_from);
    const Index end = std::min(span.end - first, window.size());
    if (begin < end) window.masked.push_back({begin, end});
  }
  return window;
}

}  // namespace lorry::data
