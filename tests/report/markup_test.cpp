// The tests' own reader of markup refuses what is not well-formed; and everything report/ writes is.
#include "report/markup.hpp"

#include <gtest/gtest.h>

#include "report/sample_page.hpp"
#include "report/svg_file.hpp"

namespace lorry::report {
namespace {

TEST(ReadMarkup, GivesElementsWithTheirTextAndAttributes) {
  const Markup markup = read_markup(R"(<a x="1 &lt; 2"><b class="c">one &amp; two</b><br></a>)");
  ASSERT_EQ(markup.error, "");
  ASSERT_EQ(markup.elements.size(), 3U);
  EXPECT_EQ(markup.elements[0].at("x"), "1 < 2");
  EXPECT_EQ(markup.all("b", "c").at(0).text, "one & two");
  EXPECT_TRUE(markup.within(markup.elements[1], "a"));
}

TEST(ReadMarkup, RefusesWhatIsNotWellFormed) {
  for (const char* text :
       {"<a><b></a></b>", "<a>", "<a></a><b></b>", "<a x=1></a>", "<a x=\"<\"></a>", "<a>&</a>",
        "<a>&nbsp;</a>", "<a x=\"1\" x=\"2\"></a>", "text", "</a>", "<a><></a>"}) {
    EXPECT_NE(read_markup(text).error, "") << text;
  }
}

TEST(Charts, AreWellFormedInFilesAndHoldNoNan) {
  for (const std::string& svg : sample_charts()) {
    const Markup markup = read_markup(svg_file(svg));
    EXPECT_EQ(markup.error, "");
    ASSERT_FALSE(markup.elements.empty());
    EXPECT_EQ(markup.elements[0].name, "svg");
    EXPECT_EQ(markup.elements[0].at("xmlns"), "http://www.w3.org/2000/svg");
    EXPECT_NE(markup.elements[0].at("aria-label"), "");
    for (const Element& element : markup.elements) {
      for (const char* never : {"script", "img", "image", "use", "style", "foreignObject", "a"}) {
        EXPECT_NE(element.name, never);
      }
      for (const auto& [name, value] : element.attributes) {
        EXPECT_NE(name, "id");  // a page may hold only one of each
        if (name.starts_with("data-") || name == "aria-label") continue;
        EXPECT_EQ(value.find("nan"), std::string::npos) << name << ": " << value;
        EXPECT_EQ(value.find("inf"), std::string::npos) << name << ": " << value;
      }
    }
  }
}

}  // namespace
}  // namespace lorry::report
