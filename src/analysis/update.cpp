#include "analysis/update.hpp"

#include <cctype>

#include "analysis/adapter_reader.hpp"
#include "analysis/weight_difference.hpp"
#include "core/error.hpp"
#include "model/peft_config.hpp"

namespace lorry::analysis {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The run of digits that starts at `begin`, without leading zeros.
std::string_view number_at(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && is_digit(text[end])) ++end;
  while (begin + 1 < end && text[begin] == '0') ++begin;
  return text.substr(begin, end - begin);
}

}  // namespace

bool module_less(const std::string& a, const std::string& b) {
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string_view left = number_at(a, i);
      const std::string_view right = number_at(b, j);
      if (left.size() != right.size()) return left.size() < right.size();
      if (left != right) return left < right;
      i = static_cast<std::size_t>(left.data() - a.data()) + left.size();
      j = static_cast<std::size_t>(right.data() - b.data()) + right.size();
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

bool is_adapter_folder(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / model::kAdapterConfigFile);
}

std::unique_ptr<UpdateSource> open_updates(const std::filesystem::path& folder,
                                           const std::filesystem::path& base, model::PartsAs parts) {
  if (is_adapter_folder(folder)) return open_adapter(folder, parts);
  if (!std::filesystem::exists(folder / "config.json")) {
    throw Error("[load] {}: found neither {} nor config.json; expected an adapter folder or a tuned model",
                folder.string(), model::kAdapterConfigFile);
  }
  if (base.empty()) {
    throw Error(
        "[load] {}: found a model, not an adapter; expected its base too (--model), to take the difference",
        folder.string());
  }
  return open_difference(folder, base);
}

}  // namespace lorry::analysis
