#include "report/table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/check.hpp"
#include "report/escape.hpp"

namespace lorry::report {

namespace {

constexpr Index kNarrowest = 12;               // a column of text is not cut further
constexpr std::string_view kColumnGap = "  ";  // between columns

using Grid = std::vector<std::vector<std::string>>;  // titles first, then the rows

// A missing cell is a dash wherever people look.
std::string shown(const Cell& cell) {
  return cell.text.empty() ? std::string(kMissing) : cell.text;
}

Grid grid_of(const std::vector<Column>& columns, const std::vector<std::vector<Cell>>& rows,
             const std::function<std::string(std::string_view)>& form) {
  Grid grid(1);
  for (const Column& column : columns) grid[0].push_back(form(column.title));
  for (const std::vector<Cell>& row : rows) {
    std::vector<std::string>& cells = grid.emplace_back();
    for (const Cell& cell : row) cells.push_back(form(shown(cell)));
  }
  return grid;
}

std::vector<Index> widths_of(const Grid& grid) {
  std::vector<Index> widths(grid[0].size(), 0);
  for (const std::vector<std::string>& row : grid) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  return widths;
}

// Cuts the widest columns of text, evenly, until `width` is kept or nothing is left to cut.
void fit(const std::vector<Column>& columns, Index width, std::vector<Index>& widths) {
  Index total = std::ssize(kColumnGap) * (std::ssize(widths) - 1);
  for (const Index w : widths) total += w;
  while (total > width) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool can = !columns[i].numeric && widths[i] > kNarrowest;
      if (can && (widest == widths.size() || widths[i] > widths[widest])) widest = i;
    }
    if (widest == widths.size()) return;
    --widths[widest];
    --total;
  }
}

std::string padded(const std::string& text, Index width, bool right) {
  const std::string space(static_cast<std::size_t>(std::max<Index>(0, width - display_width(text))), ' ');
  return right ? space + text : text + space;
}

std::string without_end_spaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Escaped, with a place to break the line behind every dot or slash between words: names of modules and paths
// are longer than a column.
std::string breakable(const std::string& escaped_text) {
  std::string out;
  for (std::size_t i = 0; i < escaped_text.size(); ++i) {
    out += escaped_text[i];
    const bool ends_part = escaped_text[i] == '.' || escaped_text[i] == '/';
    const bool between = i > 0 && i + 1 < escaped_text.size() &&
                         (is_letter(escaped_text[i - 1]) || is_digit(escaped_text[i - 1])) &&
                         is_letter(escaped_text[i + 1]);
    if (ends_part && between) out += "<wbr>";
  }
  return out;
}

std::string for_markdown(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      if (std::string_view("\\|`*[").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string csv_of(const Cell& cell) {
  if (!std::isnan(cell.value)) return format_exact(cell.value);
  return cell.text == kMissing ? std::string() : csv_field(cell.text);
}

}  // namespace

Table::Table(std::vector<Column> columns, std::string title)
    : columns_(std::move(columns)), title_(std::move(title)) {
  LORRY_CHECK(!columns_.empty());
}

void Table::add_row(std::vector<Cell> cells) {
  LORRY_CHECK_EQ(cells.size(), columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::to_text(Index width) const {
  const Grid grid = grid_of(columns_, rows_, printable);
  std::vector<Index> widths = widths_of(grid);
  if (width > 0) fit(columns_, width, widths);
  std::string out = title_.empty() ? "" : printable(title_) + "\n";
  for (std::size_t r = 0; r < grid.size(); ++r) {
    std::string line;
    std::string rule;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string_view gap = c == 0 ? std::string_view() : kColumnGap;
      const std::string text =
          columns_[c].numeric ? grid[r][c] : elided(grid[r][c], std::max<Index>(3, widths[c]));
      line += std::string(gap) + padded(text, widths[c], columns_[c].numeric);
      rule += std::string(gap) + std::string(static_cast<std::size_t>(widths[c]), '-');
    }
    out += without_end_spaces(line) + "\n";
    if (r == 0) out += rule + "\n";
  }
  return out;
}

std::string Table::to_markdown() const {
  const Grid grid = grid_of(columns_, rows_, for_markdown);
  std::vector<Index> widths = widths_of(grid);
  for (Index& w : widths) w = std::max<Index>(w, 3);
  std::string out = title_.empty() ? "" : "**" + for_markdown(title_) + "**\n\n";
  for (std::size_t r = 0; r < grid.size(); ++r) {
    out += '|';
    for (std::size_t c = 0; c < widths.size(); ++c) {
      out += ' ' + padded(grid[r][c], widths[c], columns_[c].numeric) + " |";
    }
    out += '\n';
    if (r > 0) continue;
    out += '|';
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string dashes(static_cast<std::size_t>(widths[c] - (columns_[c].numeric ? 1 : 0)), '-');
      out += ' ' + dashes + (columns_[c].numeric ? ": |" : " |");
    }
    out += '\n';
  }
  return out;
}

std::string Table::to_csv() const {
  std::string out;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (c > 0) out += ',';
    out += csv_field(columns_[c].title);
  }
  out += '\n';
  for (const std::vector<Cell>& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (c > 0) out += ',';
      out += csv_of(row[c]);
    }
    out += '\n';
  }
  return out;
}

std::string Table::to_html() const {
  std::string out = "<table>";
  if (!title_.empty()) out += "<caption>" + escaped(title_) + "</caption>";
  out += "<thead><tr>";
  for (const Column& column : columns_) {
    out += std::string("<th scope=\"col\"") + (column.numeric ? " class=\"n\">" : ">") +
           escaped(column.title) + "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const std::vector<Cell>& row : rows_) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      out += columns_[c].numeric ? "<td class=\"n\"" : "<td";
      if (columns_[c].numeric && !std::isnan(row[c].value))
        out += " data-v=\"" + format_exact(row[c].value) + "\"";
      out += '>';
      const std::string text = escaped(shown(row[c]));
      out += (columns_[c].numeric ? text : breakable(text)) + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>\n";
}

}  // namespace lorry::report
