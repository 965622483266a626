#include "generate/text_stream.hpp"

#include <utility>

namespace lorry::generate {

TextStream::TextStream(const text::Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                       std::vector<std::string> stops)
    : decoder_(tokenizer), stops_(std::move(stops)) {
  for (const std::int32_t id : prompt) decoder_.push(id);
}

std::string TextStream::push(std::int32_t id) {
  return stops_.push(decoder_.push(id));
}

std::string TextStream::finish() {
  std::string rest = stops_.push(decoder_.finish());
  rest += stops_.finish();
  return rest;
}

}  // namespace lorry::generate
