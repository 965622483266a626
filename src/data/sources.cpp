#include "data/sources.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "core/error.hpp"

namespace lorry::data {
namespace {

namespace fs = std::filesystem;

bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool parse_file(const std::string& text, DataFiles& to) {
  constexpr double kMost = 1000;
  const std::size_t colon = text.rfind(':');
  if (text.empty() || colon == 0) return false;
  double weight = 1.0;
  const char* end = text.data() + text.size();
  if (colon == std::string::npos || exists(text)) {
    to.list.push_back({text});
    return true;
  }
  const auto [stop, failure] = std::from_chars(text.data() + colon + 1, end, weight);
  if (failure != std::errc{} || stop != end) {  // a colon of the path's own
    to.list.push_back({text});
    return true;
  }
  if (!(weight > 0 && weight <= kMost)) return false;
  to.list.push_back({text.substr(0, colon), weight});
  return true;
}

}  // namespace

std::string DataFiles::text() const {
  std::string text;
  for (const DataFile& file : list) {
    if (!text.empty()) text += ',';
    text += file.path.string();
    if (file.weight != 1.0) text += fmt::format(":{}", file.weight);
  }
  return text;
}

bool parse_data_files(const std::string& text, DataFiles& to) {
  if (exists(text)) return parse_file(text, to);
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (!parse_file(text.substr(begin, end - begin), to)) return false;
    if (end == text.size()) return true;
    begin = end + 1;
  }
}

std::string_view name_of(Split split) {
  constexpr std::array<std::string_view, 3> kNames = {"train", "valid", "test"};
  return kNames[static_cast<std::size_t>(split)];
}

fs::path find_data_file(const fs::path& path, Split split) {
  std::error_code ignored;
  const bool folder = fs::is_directory(path, ignored);
  fs::path file = folder ? path / (std::string(name_of(split)) + ".jsonl") : path;
  if (!fs::exists(file, ignored)) {
    throw Error(
        "[data] {}: no such file; expected {}", file.string(),
        folder ? "it in the data folder" : "a .jsonl or .txt file, or a folder that holds train.jsonl");
  }
  return file;
}

DataFiles find_data_files(const DataFiles& files, Split split) {
  DataFiles found = files;
  for (DataFile& file : found.list) file.path = find_data_file(file.path, split);
  return found;
}

}  // namespace lorry::data
