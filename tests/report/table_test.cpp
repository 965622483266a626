// One table in four formats: alignment, quoting, missing values and names that bite.
#include "report/table.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "report/nan.hpp"

namespace lorry::report {
namespace {

Table small() {
  Table table({{"module"}, {"rank", true}, {"phi", true}}, "Similarity");
  table.add_row({"q_proj", 8, 0.48213});
  table.add_row({"layers.10.mlp.down_proj", 64, kNan});
  return table;
}

TEST(Table, TextIsAlignedAndMissingValuesAreDashes) {
  EXPECT_EQ(small().to_text(),
            "Similarity\n"
            "module                   rank     phi\n"
            "-----------------------  ----  ------\n"
            "q_proj                      8  0.4821\n"
            "layers.10.mlp.down_proj    64       -\n");
}

TEST(Table, NarrowTextLosesTheMiddleOfNamesAndNoDigit) {
  EXPECT_EQ(small().to_text(30),
            "Similarity\n"
            "module            rank     phi\n"
            "----------------  ----  ------\n"
            "q_proj               8  0.4821\n"
            "layers.1…wn_proj    64       -\n");
  EXPECT_EQ(small().to_text(1),
            "Similarity\n"
            "module        rank     phi\n"
            "------------  ----  ------\n"
            "q_proj           8  0.4821\n"
            "layers…_proj    64       -\n");
}

TEST(Table, WideCharactersTakeTwoColumns) {
  Table table({{"a"}, {"b"}});
  table.add_row({"日本", "x"});
  table.add_row({"é", "y"});
  EXPECT_EQ(table.to_text(), "a     b\n----  -\n日本  x\né     y\n");
}

TEST(Table, TerminalIsNotControlledByNames) {
  Table table({{"a"}});
  table.add_row({"\x1b[31mred\x07\nline\xff"});
  table.add_row(
      {"a\xe2\x80\xae"
       "b"});  // right-to-left override
  EXPECT_EQ(table.to_text(), "a\n---------------\n�[31mred� line�\na�b\n");
}

TEST(Table, MarkdownIsAPipeTable) {
  EXPECT_EQ(small().to_markdown(),
            "**Similarity**\n\n"
            "| module                  | rank |    phi |\n"
            "| ----------------------- | ---: | -----: |\n"
            "| q_proj                  |    8 | 0.4821 |\n"
            "| layers.10.mlp.down_proj |   64 |      - |\n");
  Table table({{"a|b"}});
  table.add_row({"<img src=x>\n[x](y) `z` \\ *"});
  EXPECT_NE(table.to_markdown().find("| a\\|b "), std::string::npos);
  EXPECT_NE(table.to_markdown().find("&lt;img src=x> \\[x](y) \\`z\\` \\\\ \\*"), std::string::npos);
}

TEST(Table, CsvQuotesAsRfc4180AndKeepsAllDigits) {
  Table table({{"name, \"quoted\""}, {"value", true}});
  table.add_row({"a\nb", 1.0 / 3.0});
  table.add_row({"plain", kNan});
  table.add_row({"", Cell("0.512 ± 0.014", 0.5123)});
  EXPECT_EQ(table.to_csv(),
            "\"name, \"\"quoted\"\"\",value\n"
            "\"a\nb\",0.3333333333333333\n"
            "plain,\n"
            ",0.5123\n");
}

TEST(Table, HtmlIsEscapedAndCarriesValuesForSorting) {
  Table table({{"<b>"}, {"n", true}}, "a & b");
  table.add_row({"\"><script>alert(1)</script>", 0.25});
  table.add_row({"x", kNan});
  EXPECT_EQ(table.to_html(),
            "<table><caption>a &amp; b</caption><thead><tr><th scope=\"col\">&lt;b&gt;</th>"
            "<th scope=\"col\" class=\"n\">n</th></tr></thead>\n<tbody>\n"
            "<tr><td>&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</td>"
            "<td class=\"n\" data-v=\"0.25\">0.2500</td></tr>\n"
            "<tr><td>x</td><td class=\"n\">-</td></tr>\n</tbody></table>\n");
}

TEST(Table, WithoutRowsItIsItsTitles) {
  const Table table({{"a"}, {"b", true}});
  EXPECT_EQ(table.to_text(), "a  b\n-  -\n");
  EXPECT_EQ(table.to_csv(), "a,b\n");
  EXPECT_EQ(table.rows(), 0);
}

TEST(Table, NamesMayBreakBehindTheirDotsInHtmlOnly) {
  Table table({{"module"}, {"value", true}});
  table.add_row({"model.layers.12.self_attn.q_proj", {"0.5", 0.5}});
  table.add_row({"runs/a.b of ½. </x 1.5 &lt;.a", {"1", 1}});
  const std::string html = table.to_html();
  EXPECT_NE(html.find("<td>model.<wbr>layers.12.<wbr>self_attn.<wbr>q_proj</td>"), std::string::npos) << html;
  EXPECT_NE(html.find("<td>runs/<wbr>a.<wbr>b of ½. &lt;/x 1.5 &amp;lt;.a</td>"), std::string::npos) << html;
  EXPECT_EQ(table.to_csv().find("wbr"), std::string::npos);
  EXPECT_EQ(table.to_text().find("wbr"), std::string::npos);
}

}  // namespace
}  // namespace lorry::report
