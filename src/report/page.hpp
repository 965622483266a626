// report/page.hpp: one self-contained HTML page: no network, readable on screen in light and dark, and
// printed.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/table.hpp"

namespace lorry::report {

/// The flow of a section: each call adds below what is there. All text is escaped; charts are taken as they
/// are, from this folder's to_svg.
class Content {
 public:
  void paragraph(std::string_view text);
  /// Names and values, such as how the page was made.
  void facts(const std::vector<std::pair<std::string, std::string>>& facts);
  /// Terms and what they mean: facts() in prose.
  void terms(const std::vector<std::pair<std::string, std::string>>& terms);
  /// Sortable by a click on a title.
  void table(const Table& table);
  /// Side by side where there is room, under one caption (may be empty).
  void charts(const std::vector<std::string>& svgs, std::string_view caption = {});
  void chart(const std::string& svg, std::string_view caption = {});
  /// Folded away behind `summary` until clicked; printed open.
  void details(std::string_view summary, const Content& content);

  [[nodiscard]] const std::string& html() const noexcept { return html_; }

 private:
  std::string html_;
};

class Page {
 public:
  /// `language` is the page's, as in the HTML attribute.
  explicit Page(std::string title, std::string language = "en");

  /// A further section, listed in the contents where there are two or more. The reference stays valid while
  /// the page lives.
  Content& section(std::string heading);

  /// The whole document, UTF-8. io::write_text_file puts it on disk.
  [[nodiscard]] std::string to_html() const;

 private:
  struct Section {
    std::string heading;
    Content content;
  };
  std::string title_, language_;
  std::deque<Section> sections_;
};

}  // namespace lorry::report
