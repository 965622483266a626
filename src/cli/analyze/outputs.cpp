#include "cli/analyze/outputs.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>

#include "cli/analyze/file_name.hpp"
#include "cli/output.hpp"
#include "core/option_error.hpp"
#include "io/text_file.hpp"
#include "report/number.hpp"
#include "report/svg_file.hpp"

namespace lorry::cli {

namespace {

/// A rename onto a folder would fail only at the end of the work.
void check_file(const char* flag, const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return;
  throw Error("[analyze] {}: {} is a folder; expected the name of a file", flag, path.string());
}

/// One would replace the other.
void check_different(const char* flag, const std::filesystem::path& path, const char* other_flag,
                     const std::filesystem::path& other) {
  const auto place = [](const std::filesystem::path& relative) {
    return std::filesystem::absolute(io::follow_links(relative)).lexically_normal();
  };
  if (path.empty() || other.empty() || place(path) != place(other)) return;
  throw OptionError("[analyze] {}, {}: found {} for both; expected two places", flag, other_flag,
                    path.string());
}

std::string dumped(const io::OrderedJson& value) {
  // A file name need not be UTF-8; JSON must be.
  return value.dump(-1, ' ', false, io::OrderedJson::error_handler_t::replace);
}

}  // namespace

void CsvFile::add(double number) {
  if (std::isfinite(number)) text_ += report::format_exact(number);
}

Outputs::Outputs(const OutputFlags& flags) : flags_(flags) {
  check_different("--csv", flags.csv, "--html", flags.html);
  check_different("--csv", flags.csv, "--svg", flags.svg);
  check_different("--html", flags.html, "--svg", flags.svg);
  if (!flags.csv.empty()) {
    check_file("--csv", flags.csv);
    csv_.emplace(flags.csv);
  }
  if (!flags.html.empty()) {
    check_file("--html", flags.html);
    html_.emplace(flags.html);
  }
  if (!flags.svg.empty()) svg_.emplace(flags.svg);
}

void Outputs::write_chart(const std::string& name, const std::string& svg) {
  std::string file = file_name_of(name) + ".svg";
  // Names that differ in what a file's name cannot have ("a/b" and "a_b") are told apart by a number.
  for (int copy = 2; charts_.contains(file) && charts_[file] != name; ++copy) {
    file = fmt::format("{}-{}.svg", file_name_of(name), copy);
  }
  if (charts_.emplace(file, name).second) io::write_text_file(svg_->path() / file, report::svg_file(svg));
}

void Outputs::commit() {
  if (csv_) csv_->commit();
  if (html_) html_->commit();
  if (svg_) svg_->commit();
}

std::string Outputs::summary() const {
  std::string text;
  if (html_) text += fmt::format("report: {}\n", flags_.html.string());
  if (csv_) text += fmt::format("numbers: {}\n", flags_.csv.string());
  if (svg_) text += fmt::format("charts: {} ({} files)\n", flags_.svg.string(), charts_.size());
  return text;
}

io::OrderedJson json_number(double value) {
  return std::isfinite(value) ? io::OrderedJson(value) : io::OrderedJson(nullptr);
}

io::OrderedJson json_numbers(const std::vector<double>& values) {
  io::OrderedJson array = io::OrderedJson::array();
  for (const double value : values) array.push_back(json_number(value));
  return array;
}

io::OrderedJson json_grid(const analysis::Grid& grid) {
  io::OrderedJson rows = io::OrderedJson::array();
  for (Index i = 0; i < grid.rows; ++i) {
    io::OrderedJson row = io::OrderedJson::array();
    for (Index j = 0; j < grid.cols; ++j) row.push_back(json_number(grid.at(i, j)));
    rows.push_back(std::move(row));
  }
  return rows;
}

io::OrderedJson json_note(const std::string& note) {
  return note.empty() ? io::OrderedJson(nullptr) : io::OrderedJson(note);
}

void print_modules(const std::vector<io::OrderedJson>& modules, const io::OrderedJson& rest) {
  std::string text = "{\"modules\": [";
  for (std::size_t i = 0; i < modules.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += dumped(modules[i]);
    if (std::ssize(text) < (Index{1} << 20)) continue;
    print_out(text);
    text.clear();
  }
  text += "\n]";
  for (const auto& [key, value] : rest.items()) {
    text += fmt::format(",\n{}: {}", dumped(key), dumped(value));
  }
  print_out(text + "}\n");
}

Index table_width() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace lorry::cli
