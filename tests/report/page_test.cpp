// The page as a document: its parts, its anchors, and names that bite.
#include "report/page.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "report/markup.hpp"
#include "report/sample_page.hpp"

namespace lorry::report {
namespace {

Markup read(const Page& page) {
  Markup markup = read_markup(page.to_html());
  EXPECT_EQ(markup.error, "");
  return markup;
}

TEST(Page, IsWellFormedWithEverythingInItself) {
  const Markup markup = read_markup(sample_page());
  ASSERT_EQ(markup.error, "");
  EXPECT_EQ(markup.elements[0].name, "html");
  EXPECT_EQ(markup.elements[0].at("lang"), "en");
  EXPECT_EQ(markup.all("meta").at(0).at("charset"), "utf-8");
  EXPECT_EQ(markup.all("meta").at(1).at("content").substr(0, 18), "default-src 'none'");
  for (const Element& element : markup.elements) {
    EXPECT_NE(element.name, "img");
    EXPECT_NE(element.name, "link");
    EXPECT_EQ(element.attributes.count("src"), 0U);
    if (element.attributes.count("href") > 0) {
      EXPECT_EQ(element.at("href").front(), '#');
    }
    for (const auto& [name, value] : element.attributes) EXPECT_NE(name.substr(0, 2), "on") << value;
  }
  EXPECT_EQ(markup.all("script").size(), 1U);
  EXPECT_EQ(markup.all("style").size(), 1U);
  for (const char* reach : {"http:", "https:", "url(", "@import", "fetch", "XMLHttpRequest"}) {
    EXPECT_EQ(markup.all("script")[0].text.find(reach), std::string::npos) << reach;
    EXPECT_EQ(markup.all("style")[0].text.find(reach), std::string::npos) << reach;
  }
}

TEST(Page, ContentsLeadToTheSections) {
  Page page("t");
  page.section("first").paragraph("p");
  page.section("second & last");
  const Markup markup = read(page);
  std::set<std::string> ids;
  for (const Element& element : markup.elements) {
    if (element.attributes.count("id") > 0) {
      EXPECT_TRUE(ids.insert(element.at("id")).second);
    }
  }
  ASSERT_EQ(markup.all("a").size(), 2U);
  for (const Element& link : markup.all("a")) EXPECT_EQ(ids.count(link.at("href").substr(1)), 1U);
  EXPECT_EQ(markup.all("a")[1].text, "second & last");
  for (const Element& section : markup.all("section"))
    EXPECT_EQ(ids.count(section.at("aria-labelledby")), 1U);
}

TEST(Page, OneSectionNeedsNoContents) {
  Page page("t");
  page.section("only");
  EXPECT_TRUE(read(page).all("nav").empty());
  EXPECT_TRUE(read(Page("empty")).all("section").empty());
}

TEST(Page, HostileNamesAreTextEverywhere) {
  const std::string name = kHostileName;
  Page page(name, name);
  Content& content = page.section(name);
  content.paragraph(name);
  content.facts({{name, name}});
  Table table({{name}, {name, true}}, name);
  table.add_row({name, name});
  content.table(table);
  content.chart(to_svg(similarity_map()), name);
  Content inner;
  inner.paragraph("\xff\xfe\x01 broken bytes");
  content.details(name, inner);
  page.section(name);
  const Markup markup = read(page);
  EXPECT_EQ(markup.all("script").size(), 1U);
  EXPECT_EQ(markup.all("title").at(0).text, name);
  for (const char* element :
       {"h1", "h2", "p", "dt", "dd", "caption", "th", "td", "figcaption", "summary", "a"}) {
    EXPECT_EQ(markup.all(element).at(0).text, name) << element;
  }
  EXPECT_EQ(markup.all("p").at(1).text, "��� broken bytes");
}

TEST(Page, FoldedPartsHoldTheirContent) {
  Page page("t");
  Content inner;
  inner.paragraph("inside");
  page.section("s").details("fold", inner);
  const Markup markup = read(page);
  EXPECT_TRUE(markup.within(markup.all("p").at(0), "details"));
}

TEST(Page, SectionsStayWhereTheyAreWhenMoreAreAdded) {
  Page page("t");
  Content& first = page.section("first");
  for (int i = 0; i < 100; ++i) page.section("further");
  first.paragraph("late");
  EXPECT_NE(page.to_html().find("<p>late</p>"), std::string::npos);
}

}  // namespace
}  // namespace lorry::report
