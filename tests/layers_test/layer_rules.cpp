#include "layers_test/layer_rules.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <utility>

namespace lorry::layers {
namespace {

namespace fs = std::filesystem;

// A folder includes itself and lower levels only.
constexpr std::array<std::pair<std::string_view, int>, 16> kLevels = {{
    {"core", 0},
    {"tensor", 1},
    {"io", 2},
    {"text", 2},
    {"ops", 2},
    {"nn", 3},
    {"optim", 3},
    {"data", 3},
    {"report", 3},
    {"model", 4},
    {"score", 4},
    {"analysis", 5},
    {"generate", 5},
    {"train", 6},
    {"sweep", 7},
    {"cli", 8},
}};

constexpr std::array<std::string_view, 7> kEmptyNames = {"utils", "util",   "helpers", "helper",
                                                         "misc",  "common", "tools"};

std::string first_component(const std::string& path) {
  return path.substr(0, path.find('/'));
}

bool is_source(const fs::path& file) {
  return file.extension() == ".cpp" || file.extension() == ".hpp";
}

// What is wrong with `file` including `target`; both relative to src/. Empty if nothing is.
std::string breach_of(const std::string& file, const std::string& target, bool quoted) {
  if (quoted && target.find('/') == std::string::npos) return "name its folder";
  const std::string from = first_component(file);
  const std::string to = first_component(target);
  const int from_level = level_of(from);
  const int to_level = level_of(to);
  if (from_level < 0 || to_level < 0) return {};  // a library's header, or a folder reported on its own
  if (to_level > from_level) return "upward: " + from + " lies below " + to;
  if (to_level == from_level && from != to) return "sideways: " + from + " and " + to + " are equals";
  if (target.starts_with("ops/cpu/")) {
    if (from != "ops") return "only ops may see ops/cpu; use ops/ops.hpp";
    const bool contract = fs::path(file).parent_path() == "ops" && fs::path(file).extension() == ".hpp";
    if (contract) return "the operator contract must not see its implementation";
  }
  return {};
}

struct Include {
  std::string target;  // empty: the line includes nothing
  bool quoted = false;
};

std::string_view without_spaces_before(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t"), text.size()));
}

// `#include "a/b.hpp"` or `<a/b.hpp>`, with spaces where the preprocessor takes them.
Include include_of(std::string_view line) {
  line = without_spaces_before(line);
  if (!line.starts_with('#')) return {};
  line = without_spaces_before(line.substr(1));
  constexpr std::string_view kWord = "include";
  if (!line.starts_with(kWord)) return {};
  line = without_spaces_before(line.substr(kWord.size()));
  if (!line.starts_with('"') && !line.starts_with('<')) return {};
  const bool quoted = line.front() == '"';
  const std::size_t end = line.find(quoted ? '"' : '>', 1);
  if (end == std::string_view::npos) return {};
  return {std::string(line.substr(1, end - 1)), quoted};
}

void check_file(const fs::path& path, const std::string& file, std::vector<std::string>& found) {
  std::ifstream in(path);
  std::string line;
  int number = 0;
  while (std::getline(in, line)) {
    ++number;
    const Include include = include_of(line);
    const std::string breach = include.target.empty() ? "" : breach_of(file, include.target, include.quoted);
    if (breach.empty()) continue;
    found.push_back(file + ":" + std::to_string(number) + ": includes " + include.target + "; " + breach);
  }
  if (number > kMaxLines) {
    found.push_back(file + ": " + std::to_string(number) + " lines; at most " + std::to_string(kMaxLines));
  }
}

}  // namespace

int level_of(const std::string& folder) {
  for (const auto& [name, level] : kLevels) {
    if (name == folder) return level;
  }
  return -1;
}

std::vector<std::string> breaches(const fs::path& source_root) {
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source_root)) {
    const std::string file = fs::relative(entry.path(), source_root).generic_string();
    if (entry.is_directory()) {
      const std::string name = entry.path().filename().string();
      if (std::find(kEmptyNames.begin(), kEmptyNames.end(), name) != kEmptyNames.end()) {
        found.push_back(file + ": a folder is named after what it does");
      } else if (file.find('/') == std::string::npos && level_of(file) < 0) {
        found.push_back(file + ": a folder without a level; give it one in layer_rules.cpp");
      }
    } else if (is_source(entry.path())) {
      check_file(entry.path(), file, found);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace lorry::layers
