// text/pieces.hpp: a stretch of normalised text and how the pre-tokenizer has cut it so far.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.hpp"

namespace lorry::text {

/// Pieces are in order, not empty and without overlap; "Removed" delimiters leave gaps between them.
struct Pieces {
  std::string text;         // valid UTF-8
  std::vector<Span> spans;  // byte ranges of text
  bool at_start = false;    // the first span stands where the whole input starts (Metaspace "first" asks)

  [[nodiscard]] std::string_view view(Span span) const {
    return std::string_view(text).substr(static_cast<std::size_t>(span.begin),
                                         static_cast<std::size_t>(span.end - span.begin));
  }
};

}  // namespace lorry::text
