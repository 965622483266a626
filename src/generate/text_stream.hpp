// generate/text_stream.hpp: the text of a continuation while its tokens come.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "generate/stop_strings.hpp"
#include "text/stream_decoder.hpp"

namespace lorry::generate {

class TextStream {
 public:
  /// `prompt`: the tokens before the continuation. They decide whether the continuation begins with a space
  /// that decoders drop at the start of a text. `tokenizer` is borrowed. Throws Error if a stop is empty.
  TextStream(const text::Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
             std::vector<std::string> stops);

  /// The text that this token makes certain, often empty; it ends before the first stop string.
  std::string push(std::int32_t id);
  /// A stop string was found: what comes has no effect.
  [[nodiscard]] bool stopped() const noexcept { return stops_.found(); }
  /// The rest. Call once, at the end.
  std::string finish();

 private:
  std::string without_prompt(std::string text);

  text::StreamDecoder decoder_;
  std::string held_;  // of the prompt's text, which comes with the first token's
  StopStrings stops_;
};

}  // namespace lorry::generate
