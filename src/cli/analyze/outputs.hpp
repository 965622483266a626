// cli/analyze/outputs.hpp: the files of an analysis. They are begun before any work, so that a place that
// cannot be written shows at once, and appear together at the end.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "analysis/grid.hpp"
#include "cli/analyze/options.hpp"
#include "io/atomic_folder.hpp"
#include "io/json_file.hpp"
#include "io/output_file.hpp"
#include "report/escape.hpp"
#include "report/page.hpp"

namespace lorry::cli {

/// Rows of a CSV file as RFC 4180 has them.
class CsvFile {
 public:
  /// Begins FILE with its titles.
  CsvFile(const std::filesystem::path& path) : file_(path) {}
  /// Adds a record of text and numbers; a number that is none leaves its field empty.
  template <class... Fields>
  void row(const Fields&... fields) {
    std::size_t left = sizeof...(fields);
    ((add(fields), text_ += --left == 0 ? '\n' : ','), ...);
    if (std::ssize(text_) > kBuffer) flush();
  }
  void commit() {
    flush();
    file_.commit();
  }

 private:
  static constexpr Index kBuffer = Index{1} << 16;

  void add(const std::string& text) { text_ += report::csv_field(text); }
  void add(const char* text) { add(std::string(text)); }
  void add(double number);
  void add(Index number) { text_ += std::to_string(number); }
  void flush() {
    file_.write(text_);
    text_.clear();
  }

  io::OutputFile file_;
  std::string text_;
};

class Outputs {
 public:
  /// Throws Error where one of them cannot be written, or the folder for charts holds something.
  explicit Outputs(const OutputFlags& flags);

  [[nodiscard]] CsvFile* csv() noexcept { return csv_ ? &*csv_ : nullptr; }  // nullptr: not asked for
  [[nodiscard]] bool wants_page() const noexcept { return html_.has_value(); }
  [[nodiscard]] bool wants_charts() const noexcept { return svg_.has_value(); }
  void write_page(const report::Page& page) { html_->write(page.to_html()); }
  /// `name` without its suffix; a second chart of a name is taken for the same one.
  void write_chart(const std::string& name, const std::string& svg);
  /// Makes all of them appear.
  void commit();
  /// "report: r.html\n" and so on, for the end of what is printed.
  [[nodiscard]] std::string summary() const;

 private:
  OutputFlags flags_;
  std::optional<CsvFile> csv_;
  std::optional<io::OutputFile> html_;
  std::optional<io::AtomicFolder> svg_;
  std::map<std::string, std::string> charts_;  // files written, and the charts' names
};

/// The number, or null where there is none.
io::OrderedJson json_number(double value);
io::OrderedJson json_numbers(const std::vector<double>& values);
/// Rows of numbers.
io::OrderedJson json_grid(const analysis::Grid& grid);
/// Null where the text is empty.
io::OrderedJson json_note(const std::string& note);
/// Prints {"modules": [...], ...`rest`}, a line per module: indented, grids would take a line per number.
void print_modules(const std::vector<io::OrderedJson>& modules, const io::OrderedJson& rest);

/// Columns that a table may take: those of the terminal, or no limit where standard output is none.
Index table_width();

}  // namespace lorry::cli
