#include "model/name_pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

struct NamePattern::Compiled {
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::unique_ptr<pcre2_match_data, FreeMatch> match;
};

void NamePattern::Free::operator()(Compiled* compiled) const {
  delete compiled;
}

NamePattern::NamePattern(std::string_view before, const std::string& text, std::string_view after,
                         unsigned options, std::string_view where)
    : compiled_(new Compiled) {
  const std::string expression = std::string(before).append(text).append(after);
  int code = 0;
  PCRE2_SIZE offset = 0;
  compiled_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                                      options, &code, &offset, nullptr));
  if (!compiled_->code) {
    std::array<PCRE2_UCHAR, 256> fault{};
    pcre2_get_error_message(code, fault.data(), fault.size());
    throw Error("{}: found {}, malformed at character {}: {}; expected a regular expression", where,
                io::in_quotes(text), std::min(offset - std::min(offset, before.size()), text.size()),
                reinterpret_cast<const char*>(fault.data()));
  }
  compiled_->match.reset(pcre2_match_data_create_from_pattern(compiled_->code.get(), nullptr));
}

NamePattern NamePattern::whole(const std::string& pattern, std::string_view where) {
  return {"", pattern, "", PCRE2_ANCHORED | PCRE2_ENDANCHORED, where};
}

NamePattern NamePattern::key(const std::string& key, std::string_view where) {
  return {"(.*\\.)?(", key, ")$", PCRE2_ANCHORED, where};
}

NamePattern NamePattern::layer(const std::string& word, std::string_view where) {
  return {"(?:^|.*?\\.)", word, "\\.(?P<idx>\\d+)\\.", PCRE2_ANCHORED, where};
}

NamePattern NamePattern::any_layer() {
  return {".*?\\.", "[^.]*", "\\.(?P<idx>\\d+)\\.", PCRE2_ANCHORED, ""};
}

std::optional<Index> NamePattern::layer_number(const std::string& name) const {
  if (!matches(name)) return std::nullopt;
  const auto* const group_name = reinterpret_cast<PCRE2_SPTR>("idx");
  const int group = pcre2_substring_number_from_name(compiled_->code.get(), group_name);
  if (group < 0) return std::nullopt;
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(compiled_->match.get());
  const char* const begin = name.data() + bounds[2 * group];
  const char* const end = name.data() + bounds[2 * group + 1];
  Index number = 0;
  const auto [stop, failure] = std::from_chars(begin, end, number);
  return failure == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

bool NamePattern::matches(const std::string& name) const {
  return pcre2_match(compiled_->code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0, 0,
                     compiled_->match.get(), nullptr) >= 0;
}

std::string last_part(const std::string& module) {
  return module.substr(module.rfind('.') + 1);
}

}  // namespace lorry::model
