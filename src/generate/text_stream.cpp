#include "generate/text_stream.hpp"

#include <utility>

namespace lorry::generate {

TextStream::TextStream(const text::Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                       std::vector<std::string> stops)
    : decoder_(tokenizer), stops_(std::move(stops)) {
  for (const std::int32_t id : prompt) decoder_.push(id);
  // A run of byte tokens at the prompt's end, as of a line break, is not certain before the next token.
  text::StreamDecoder ended = decoder_;
  held_ = ended.finish();
}

std::string TextStream::without_prompt(std::string text) {
  if (text.empty()) return text;
  // Where a new token completed the prompt's last character, that character is new.
  if (text.starts_with(held_)) text.erase(0, held_.size());
  held_.clear();
  return text;
}

std::string TextStream::push(std::int32_t id) {
  return stops_.push(without_prompt(decoder_.push(id)));
}

std::string TextStream::finish() {
  std::string rest = stops_.push(without_prompt(decoder_.finish()));
  rest += stops_.finish();
  return rest;
}

}  // namespace lorry::generate
