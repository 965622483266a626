// text/split.hpp: cutting pieces at the matches of a pattern.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/pieces.hpp"
#include "text/regex.hpp"

namespace lorry::text {

/// What happens to the matches ("delimiters"): a piece of their own, dropped, joined to the piece before or
/// behind, or neighbouring matches joined to one piece.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// One character's predicate.
using CharClass = bool (*)(char32_t);

/// A literal (not empty), a predicate that matches single characters, or an expression.
using Matcher = std::variant<std::string, CharClass, Regex>;

/// Matches in order, without overlap.
std::vector<Span> find_matches(const Matcher& matcher, std::string_view text);

struct Split {
  Matcher matcher;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between matches is the delimiter

  void apply(Pieces& pieces) const;
};

}  // namespace lorry::text
