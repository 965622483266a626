// The sample page in a real browser, headless Chromium: light, dark, narrow and printed. Skipped where there
// is none.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/io_support.hpp"
#include "report/markup.hpp"
#include "report/sample_page.hpp"

namespace lorry::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Chromium's path; empty where it is not installed.
fs::path chromium() {
  const char* path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nothing changes it
  std::string folders = path == nullptr ? "" : path;
  for (std::size_t from = 0; from <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', from), folders.size());
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
      const fs::path program = fs::path(folders.substr(from, end - from)) / name;
      if (::access(program.c_str(), X_OK) == 0) return program;
    }
    from = end + 1;
  }
  return {};
}

class Browser : public testing::Test {
 protected:
  void SetUp() override {
    if (chromium().empty()) GTEST_SKIP() << "no chromium on this machine; scripts/bootstrap ci installs it";
  }

  // What the browser writes to standard output when it opens `page` with `options`.
  std::string open(const std::string& page, const std::vector<std::string>& options) {
    io::put(folder_ / "page.html", page);
    std::vector<std::string> arguments = {"timeout",
                                          "300",
                                          chromium(),
                                          "--headless",
                                          "--no-sandbox",
                                          "--disable-gpu",
                                          "--disable-dev-shm-usage",
                                          "--no-first-run",
                                          "--disable-background-networking",
                                          "--disable-component-update",
                                          "--host-resolver-rules=MAP * ~NOTFOUND",
                                          "--user-data-dir=" + (folder_ / "profile").string()};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back("file://" + (folder_ / "page.html").string());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const std::string out = folder_ / "out";
    const std::string err = folder_ / "err";
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
      ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
      ::execvp(pointers[0], pointers.data());
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status << "\n" << io::get(err);
    return io::get(out);
  }

  // What browser_checks.js saw of the sample page.
  Json look(std::vector<std::string> options) {
    const std::string checks = io::get(fs::path(LORRY_SOURCE_DIR) / "tests/report/browser_checks.js");
    std::string page = sample_page();
    page.insert(page.find("<style>"), "<script>" + checks + "</script>");
    page.insert(page.find("</body>"), "<script>finish()</script>");
    options.emplace_back("--dump-dom");
    const std::string shown = open(page, options);
    const std::string open_tag = "<body>";
    const std::size_t begin = shown.find(open_tag);
    EXPECT_NE(begin, std::string::npos) << shown.substr(0, 500);
    const std::size_t end = shown.find("</body>", begin);
    if (begin == std::string::npos || end == std::string::npos) return Json::object();
    // Chromium escapes the text; the reader of markup resolves that.
    const Markup text = read_markup(shown.substr(begin, end - begin) + "</body>");
    EXPECT_EQ(text.error, "");
    return text.error.empty() ? Json::parse(text.elements.at(0).text) : Json::object();
  }

  io::ScratchFolder folder_;
};

void expect_untroubled(const Json& seen) {
  EXPECT_EQ(seen.at("errors"), Json::array());
  EXPECT_EQ(seen.at("requests"), Json::array());
  EXPECT_EQ(seen.at("collisions"), Json::array()) << seen.at("collisions").dump(1);
  EXPECT_EQ(seen.at("title"), "Subspaces of two adapters: demo-r8 and demo-r64");
  EXPECT_LE(seen.at("sideways").get<int>(), 0);  // charts and tables scroll, the page does not
  const Json& contrast = seen.at("contrast");
  EXPECT_GE(contrast.at("words").get<double>(), 4.5);
  EXPECT_GE(contrast.at("chartText").get<double>(), 7.0);
  EXPECT_GE(contrast.at("axes").get<double>(), 3.0);
  EXPECT_GE(contrast.at("series").get<double>(), 3.0);
}

void expect_values_shown(const Json& hover) {
  EXPECT_EQ(hover.at("cell"), "i (r = 8) = 1, j (r = 64) = 2: 0.8000");
  EXPECT_EQ(hover.at("missing"), "i (r = 8) = 3, j (r = 64) = 6: no value");
  EXPECT_EQ(hover.at("last"), "i (r = 8) = 8, j (r = 64) = 64: 0.06667");
  EXPECT_EQ(hover.at("named").get<std::string>().substr(0, 23), "down_proj, layer = 0: 2");
  EXPECT_EQ(hover.at("beside"), nullptr);
  EXPECT_EQ(hover.at("elsewhere"), nullptr);
  EXPECT_EQ(hover.at("mark").get<std::string>().substr(0, 19), "q_proj, layer = 0: ");
}

void expect_sorted_with_missing_last(const Json& sort) {
  EXPECT_EQ(sort.at("up").at("state"), "ascending");
  EXPECT_EQ(sort.at("down").at("state"), "descending");
  EXPECT_EQ(sort.at("others"), 1);
  const Json& up = sort.at("up").at("order");
  const Json& down = sort.at("down").at("order");
  ASSERT_EQ(up.size(), 19U);
  for (std::size_t i = 16; i < 19; ++i) {
    EXPECT_EQ(up[i], "-");
    EXPECT_EQ(down[i], "-");
  }
  EXPECT_EQ(up[15], "1.235e7");  // by value, not by its first digit
  EXPECT_EQ(down[0], "1.235e7");
  EXPECT_EQ(up[0], down[15]);
  EXPECT_EQ(sort.at("names").at("order")[1], "layers.0.mlp.down_proj");
}

// One test for all that the light page does: starting a browser is the slow part.
TEST_F(Browser, LightPageIsReadableShowsValuesAndSorts) {
  const Json seen = look({"--window-size=1280,1000", "--blink-settings=preferredColorScheme=1"});
  expect_untroubled(seen);
  EXPECT_EQ(seen.at("background"), "rgb(255, 255, 255)");
  expect_values_shown(seen.at("hover"));
  EXPECT_EQ(seen.at("cut"), 0) << "a sweep's results fit the page";
  expect_sorted_with_missing_last(seen.at("sort"));
  EXPECT_EQ(seen.at("print"), Json({{"before", 4}, {"during", 0}, {"after", 4}}));  // folded parts
}

TEST_F(Browser, DarkAndNarrowPageIsReadable) {
  const Json seen = look({"--window-size=500,900", "--blink-settings=preferredColorScheme=0"});
  expect_untroubled(seen);
  EXPECT_EQ(seen.at("background"), "rgb(20, 24, 28)");
}

TEST_F(Browser, PrintsWithFoldedPartsOpen) {
  const auto pages_of = [&](const std::string& page) {
    open(page, {"--no-pdf-header-footer", "--print-to-pdf=" + (folder_ / "page.pdf").string()});
    const std::string pdf = io::get(folder_ / "page.pdf");
    EXPECT_EQ(pdf.substr(0, 5), "%PDF-");
    int pages = 0;
    const std::string mark = "/Type /Page\n";
    for (std::size_t at = pdf.find(mark); at != std::string::npos; at = pdf.find(mark, at + 1)) ++pages;
    return pages;
  };
  std::string without = sample_page();
  without.replace(without.find("beforeprint"), 11, "neverprints");
  const int folded = pages_of(without);
  EXPECT_GE(folded, 5);
  EXPECT_GE(pages_of(sample_page()), folded + 2);  // four modules, two to a page
}

}  // namespace
}  // namespace lorry::report
