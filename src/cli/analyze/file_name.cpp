#include "cli/analyze/file_name.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "train/digest.hpp"

namespace lorry::cli {

namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

constexpr std::size_t kLongestName = 200;  // an ending and a temporary name are added
constexpr std::size_t kDigits = 8;         // of a digest

/// In bytes that any file system takes.
std::string plain(const std::string& name) {
  std::string result = name;
  std::replace_if(
      result.begin(), result.end(), [](char c) { return !is_letter_or_digit(c) && c != '.' && c != '-'; },
      '_');
  return result;
}

/// The beginning says which layer, the end which module and which chart.
std::string shortened(const std::string& plain_name, const std::string& digest) {
  constexpr std::size_t kHalf = (kLongestName - kDigits - 2) / 2;
  return fmt::format("{}-{}-{}", plain_name.substr(0, kHalf), digest,
                     plain_name.substr(plain_name.size() - kHalf));
}

}  // namespace

std::string file_name_of(const std::string& name) {
  const std::string result = plain(name);
  return result.size() <= kLongestName
             ? result
             : shortened(result, train::Digest().add(name).hex().substr(0, kDigits));
}

}  // namespace lorry::cli
