#include "report/page.hpp"

#include <fmt/format.h>

#include "report/escape.hpp"
#include "report/page_parts.hpp"

namespace lorry::report {

namespace {

// Names and values of a <dl>.
std::string pairs_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string out;
  for (const auto& [name, value] : pairs) {
    out += "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd></div>\n";
  }
  return out;
}

}  // namespace

void Content::paragraph(std::string_view text) {
  html_ += "<p>" + escaped(text) + "</p>\n";
}

void Content::facts(const std::vector<std::pair<std::string, std::string>>& facts) {
  html_ += "<dl>\n" + pairs_of(facts) + "</dl>\n";
}

void Content::terms(const std::vector<std::pair<std::string, std::string>>& terms) {
  html_ += "<dl class=\"terms\">\n" + pairs_of(terms) + "</dl>\n";
}

void Content::table(const Table& table) {
  html_ += "<div class=\"scroll\">" + table.to_html() + "</div>\n";
}

void Content::charts(const std::vector<std::string>& svgs, std::string_view caption) {
  html_ += "<figure><div class=\"charts\">\n";
  for (const std::string& svg : svgs) html_ += svg;
  html_ += "</div>";
  if (!caption.empty()) html_ += "<figcaption>" + escaped(caption) + "</figcaption>";
  html_ += "</figure>\n";
}

void Content::chart(const std::string& svg, std::string_view caption) {
  charts({svg}, caption);
}

void Content::details(std::string_view summary, const Content& content) {
  html_ += "<details><summary>" + escaped(summary) + "</summary>\n" + content.html() + "</details>\n";
}

Page::Page(std::string title, std::string language)
    : title_(std::move(title)), language_(std::move(language)) {}

Content& Page::section(std::string heading) {
  return sections_.emplace_back(Section{std::move(heading), {}}).content;
}

std::string Page::to_html() const {
  const std::string title = escaped(title_);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"" + escaped(language_) + "\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += kPagePolicy;
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" + title +
         "</title>\n";
  out += "<style>\n" + page_style() + "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n";
  if (sections_.size() > 1) {
    out += "<nav aria-label=\"Contents\"><ol>\n";
    for (std::size_t i = 0; i < sections_.size(); ++i) {
      out +=
          "<li><a href=\"#s" + std::to_string(i + 1) + "\">" + escaped(sections_[i].heading) + "</a></li>\n";
    }
    out += "</ol></nav>\n";
  }
  for (std::size_t i = 0; i < sections_.size(); ++i) {
    out += fmt::format("<section id=\"s{0}\" aria-labelledby=\"h{0}\">\n<h2 id=\"h{0}\">{1}</h2>\n", i + 1,
                       escaped(sections_[i].heading));
    out += sections_[i].content.html();
    out += "</section>\n";
  }
  out += "</main>\n<script>\n" + std::string(kPageScript) + "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace lorry::report
