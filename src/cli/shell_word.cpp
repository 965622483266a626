#include "cli/shell_word.hpp"

#include <cerrno>

namespace lorry::cli {

std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,=:+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  return '\'' + within_quotes(word) + '\'';
}

std::string program_word() {
  const std::string_view called = program_invocation_name;
  return called.find('/') == std::string_view::npos ? "lorry" : shell_word(called);
}

std::string within_quotes(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += R"('\'')";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace lorry::cli
