#include "cli/token_text.hpp"

#include <fmt/format.h>

#include "text/stream_decoder.hpp"

namespace lorry::cli {

namespace {

/// What a terminal would act on, as `\x1b`.
std::string harmless(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < ' ' && c != '\n') || byte == 0x7F) {
      safe += fmt::format("\\x{:02x}", byte);
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string with_visible_breaks(const std::string& text) {
  std::string shown;
  for (const char c : text) {
    if (c == '\n') shown += "\u21B5";
    shown += c;
  }
  return shown;
}

}  // namespace

std::vector<std::string> token_texts(const text::Tokenizer& tokenizer, const data::Document& document) {
  text::StreamDecoder decoder(tokenizer, false);
  std::vector<std::string> texts;
  for (const std::int32_t id : document.ids) texts.push_back(harmless(decoder.push(id)));
  if (!texts.empty()) texts.back() += harmless(decoder.finish());
  return texts;
}

std::string show_tokens(const text::Tokenizer& tokenizer, const data::Document& document, TokenMarks marks) {
  const bool colour = marks == TokenMarks::kColour;
  const std::vector<std::string> texts = token_texts(tokenizer, document);
  std::string shown;
  bool learning = false;
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const bool learns = document.learns(static_cast<Index>(t));
    if (colour) {
      if (t > 0) shown += "\033[2m|\033[0m";
      shown += (learns ? "\033[32m" : "\033[2m") + with_visible_breaks(texts[t]) + "\033[0m";
      continue;
    }
    if (learning && !learns) shown += "\u00BB";
    if (t > 0) shown += '|';
    if (learns && !learning) shown += "\u00AB";
    shown += with_visible_breaks(texts[t]);
    learning = learns;
  }
  if (!colour && learning) shown += "\u00BB";
  return shown + "\n";
}

}  // namespace lorry::cli
