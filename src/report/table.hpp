// report/table.hpp: one table of results for the terminal, Markdown, CSV and HTML.
#pragma once
#include <concepts>
#include <limits>
#include <string>
#include <vector>

#include "core/index.hpp"
#include "report/number.hpp"

namespace lorry::report {

struct Column {
  std::string title;
  bool numeric = false;  // aligned to the right, sorted by value
};

/// What a cell shows, and the number behind it. Made from text, from an integer (shown whole) or from a
/// floating point number (four significant digits): table.add_row({"q_proj", 8, 0.4821}).
struct Cell {
  std::string text;
  double value = std::numeric_limits<double>::quiet_NaN();  // NaN: none

  template <std::convertible_to<std::string> Text>
  Cell(Text&& shown) : text(std::forward<Text>(shown)) {}  // NOLINT(bugprone-forwarding-reference-overload)
  template <std::integral Integer>
  Cell(Integer number) : text(std::to_string(number)), value(static_cast<double>(number)) {}
  template <std::floating_point Float>
  Cell(Float number) : text(format_number(number)), value(number) {}
  /// `shown` stands for `number`: Cell(format_fixed(phi, 3), phi), Cell(format_spread(mean, spread), mean).
  Cell(std::string shown, double number) : text(std::move(shown)), value(number) {}
};

/// Rows of cells under titled columns. Text may be anything: each format escapes what it must, and what is
/// not valid UTF-8 or would control a terminal is replaced.
class Table {
 public:
  explicit Table(std::vector<Column> columns, std::string title = {});

  /// As many cells as columns (LORRY_CHECK).
  void add_row(std::vector<Cell> cells);

  [[nodiscard]] Index rows() const noexcept { return std::ssize(rows_); }

  /// Aligned columns, a line under the titles. Where that is wider than `width` characters (0: no limit),
  /// columns of text lose their middle, down to 12 characters; numbers are never cut, so a line may still be
  /// longer.
  [[nodiscard]] std::string to_text(Index width = 0) const;
  /// A pipe table; the title stands above it in bold.
  [[nodiscard]] std::string to_markdown() const;
  /// RFC 4180 quoting, newline after every record, titles first. A cell with a number gives all its digits, a
  /// missing one nothing. The table's title is left out.
  [[nodiscard]] std::string to_csv() const;
  /// A <table>, which the script of report/page.hpp makes sortable.
  [[nodiscard]] std::string to_html() const;

 private:
  std::vector<Column> columns_;
  std::string title_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace lorry::report
