// The manual page: all commands and flags, in roff that formats without a complaint.
#include "cli/man_page.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

/// What a formatter prints, complaints included.
std::string formatted(const std::string& command, const std::filesystem::path& page) {
  std::string text;
  std::FILE* pipe = ::popen(fmt::format("{} '{}' 2>&1", command, page.string()).c_str(), "r");
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), n);
  }
  ::pclose(pipe);
  return text;
}

bool has_program(const std::string& name) {
  return std::system(fmt::format("command -v {} >/dev/null 2>&1", name).c_str()) == 0;
}

class ManPage : public testing::Test {
 protected:
  void SetUp() override { io::put(scratch_ / "lorry.1", man_page(make_commands(), "1.2.3")); }
  io::ScratchFolder scratch_;
};

void expect_options(const Command& command, const std::string& name, const std::string& page) {
  const std::size_t from = page.find(fmt::format(".SS \"lorry {}\"\n", name));
  ASSERT_NE(from, std::string::npos) << name;
  const std::string section = page.substr(from, page.find("\n.S", from + 1) - from);
  for (const Option& option : command.options.options()) {
    std::string flag = option.name;
    for (std::size_t at = flag.find('-'); at != std::string::npos; at = flag.find('-', at + 2)) {
      flag.insert(at, "\\");
    }
    EXPECT_NE(section.find(fmt::format("\\fB\\-\\-{}\\fR", flag)), std::string::npos) << name << " " << flag;
  }
  for (const Command& inner : command.commands) expect_options(inner, name + " " + inner.name, page);
}

TEST_F(ManPage, HasEveryFlagOfEveryCommand) {
  const std::string page = io::get(scratch_ / "lorry.1");
  EXPECT_NE(page.find(".TH LORRY 1 "), std::string::npos);
  EXPECT_NE(page.find("\"lorry 1.2.3\""), std::string::npos);
  EXPECT_TRUE(
      std::all_of(page.begin(), page.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
  for (const Command& command : make_commands()) expect_options(command, command.name, page);
}

TEST_F(ManPage, IsWithoutWarningsInGroff) {
  if (!has_program("groff")) GTEST_SKIP() << "no groff";
  const std::string text = formatted("groff -ww -man -Tutf8 -P-cbou", scratch_ / "lorry.1");
  EXPECT_EQ(text.find("warning"), std::string::npos) << text.substr(0, 2000);
  EXPECT_NE(text.find("--target-modules NAMES"), std::string::npos);
  EXPECT_NE(text.find("lorry train --model"), std::string::npos);
}

TEST_F(ManPage, IsWithoutWarningsInMandoc) {
  if (!has_program("mandoc")) GTEST_SKIP() << "no mandoc";
  // It has no date: the same source gives the same page.
  const std::string text = formatted("mandoc -T lint -W warning", scratch_ / "lorry.1");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_NE(text.find("missing date"), std::string::npos) << text;
}

TEST_F(ManPage, IsWhatTheCommandPrints) {
  const Outcome outcome = run_lorry({"man"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_TRUE(outcome.out.starts_with(".\\\" Made by: lorry man\n.TH LORRY 1 "))
      << outcome.out.substr(0, 200);
  EXPECT_GT(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 400);
}

}  // namespace
}  // namespace lorry::cli
