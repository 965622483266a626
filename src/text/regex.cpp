#include "text/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "core/error.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 200> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

}  // namespace

void Regex::Free::operator()(void* code) const {
  pcre2_code_free(static_cast<pcre2_code*>(code));
}

Regex::Regex(std::string_view oniguruma) {
  const std::string pattern = translate_pattern(oniguruma);
  int error = 0;
  PCRE2_SIZE where = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &where, nullptr);
  if (code == nullptr) throw Error("{} in the regular expression {}", message_of(error), oniguruma);
  code_.reset(code);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it matching is slower and otherwise the same
}

std::vector<Span> Regex::find_all(std::string_view text) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  const std::unique_ptr<pcre2_match_data, FreeMatchData> data(pcre2_match_data_create(1, nullptr));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data.get());
  std::vector<Span> spans;
  Index last_end = -1;
  for (Index at = 0; at <= std::ssize(text);) {
    // The text was checked at the entrance; checking it again at every match would be quadratic.
    const auto match = [&](std::uint32_t options) {
      return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                         static_cast<PCRE2_SIZE>(at), PCRE2_NO_UTF_CHECK | options, data.get(), nullptr);
    };
    int result = match(0);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) break;
    if (result < 0) throw Error("[tokenize] regular expression: {} at byte {}", message_of(result), at);
    const auto begin = static_cast<Index>(bounds[0]);
    const auto end = static_cast<Index>(bounds[1]);
    if (begin == end && end == last_end) {
      at += at < std::ssize(text) ? decode_utf8(text, at).length : 1;
      continue;
    }
    spans.push_back({begin, end});
    at = last_end = end;
  }
  return spans;
}

}  // namespace lorry::text
