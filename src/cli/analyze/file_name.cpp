#include "cli/analyze/file_name.hpp"

#include <algorithm>

namespace lorry::cli {

namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

std::string file_name_of(const std::string& name) {
  std::string result = name;
  std::replace_if(
      result.begin(), result.end(), [](char c) { return !is_letter_or_digit(c) && c != '.' && c != '-'; },
      '_');
  return result;
}

}  // namespace lorry::cli
