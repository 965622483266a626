#include "text/split.hpp"

#include <algorithm>

#include "text/utf8.hpp"

namespace lorry::text {

namespace {

struct Part {
  Span span;
  bool is_match;
};

std::vector<Span> find_literal(const std::string& needle, std::string_view text) {
  std::vector<Span> spans;
  for (std::size_t at = text.find(needle); at != std::string_view::npos;
       at = text.find(needle, at + needle.size())) {
    spans.push_back({static_cast<Index>(at), static_cast<Index>(at + needle.size())});
  }
  return spans;
}

std::vector<Span> find_class(CharClass matches, std::string_view text) {
  std::vector<Span> spans;
  for_each_code_point(text, [&](char32_t c, Index begin, Index end) {
    if (matches(c)) spans.push_back({begin, end});
  });
  return spans;
}

// Matches and what lies between them, covering the text.
std::vector<Part> cover(const std::vector<Span>& matches, Index length, bool invert) {
  std::vector<Part> parts;
  parts.reserve(2 * matches.size() + 1);
  Index end = 0;
  for (const Span& match : matches) {
    if (end != match.begin) parts.push_back({{end, match.begin}, invert});
    parts.push_back({match, !invert});
    end = match.end;
  }
  if (end != length) parts.push_back({{end, length}, invert});
  return parts;
}

void append_with_next(const std::vector<Part>& parts, std::vector<Span>& out) {
  const auto first = static_cast<Index>(out.size());
  bool previous = false;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->is_match && !previous && std::ssize(out) > first) {
      out.back().begin = part->span.begin;
    } else {
      out.push_back(part->span);
    }
    previous = part->is_match;
  }
  std::reverse(out.begin() + first, out.end());
}

void append_parts(const std::vector<Part>& parts, SplitBehavior behavior, std::vector<Span>& out) {
  if (behavior == SplitBehavior::kMergedWithNext) return append_with_next(parts, out);
  const auto first = static_cast<Index>(out.size());
  bool previous = false;
  for (const Part& part : parts) {
    bool join = false;
    if (behavior == SplitBehavior::kRemoved && part.is_match) continue;
    if (behavior == SplitBehavior::kContiguous) join = part.is_match == previous;
    if (behavior == SplitBehavior::kMergedWithPrevious) join = part.is_match && !previous;
    if (join && std::ssize(out) > first) {
      out.back().end = part.span.end;
    } else {
      out.push_back(part.span);
    }
    previous = part.is_match;
  }
}

}  // namespace

std::vector<Span> find_matches(const Matcher& matcher, std::string_view text) {
  if (const auto* literal = std::get_if<std::string>(&matcher)) return find_literal(*literal, text);
  if (const auto* matches = std::get_if<CharClass>(&matcher)) return find_class(*matches, text);
  return std::get<Regex>(matcher).find_all(text);
}

void Split::apply(Pieces& pieces) const {
  const bool starts_at_first = !pieces.spans.empty();
  const Index first_begin = starts_at_first ? pieces.spans.front().begin : 0;
  std::vector<Span> spans;
  spans.reserve(pieces.spans.size());
  for (const Span& piece : pieces.spans) {
    const auto before = static_cast<std::size_t>(std::ssize(spans));
    append_parts(cover(find_matches(matcher, pieces.view(piece)), piece.end - piece.begin, invert), behavior,
                 spans);
    for (std::size_t i = before; i < spans.size(); ++i) {
      spans[i].begin += piece.begin;
      spans[i].end += piece.begin;
    }
  }
  std::erase_if(spans, [](const Span& span) { return span.begin == span.end; });
  if (spans.empty() || spans.front().begin != first_begin) pieces.at_start = false;
  pieces.spans = std::move(spans);
}

}  // namespace lorry::text
