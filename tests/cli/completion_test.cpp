// Completion of bash and zsh: all there is to complete, tried in a real bash.
#include "cli/completion.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <set>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

/// Standard output of a shell command.
std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), n);
  }
  return ::pclose(pipe) == 0 ? text : "failed: " + text;
}

using Words = std::set<std::string>;

class BashCompletion : public testing::Test {
 protected:
  void SetUp() override { io::put(scratch_ / "lorry.bash", bash_completion(make_commands())); }

  /// What bash offers behind these words, the last of which is the one at hand.
  Words offered(const std::vector<std::string>& words) {
    std::string script =
        fmt::format("cd '{}'\nsource ./lorry.bash\nCOMP_WORDS=(lorry", scratch_.path().string());
    for (const std::string& word : words) script += fmt::format(" '{}'", word);
    script += fmt::format(")\nCOMP_CWORD={}\n_lorry\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n", words.size());
    io::put(scratch_ / "ask.bash", script);
    std::istringstream lines(output_of(fmt::format("bash --norc '{}'", (scratch_ / "ask.bash").string())));
    Words all;
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) all.insert(line);
    }
    return all;
  }

  io::ScratchFolder scratch_;
};

/// Every command that has options, with the words that call it.
void collect(const std::vector<Command>& commands, const std::vector<std::string>& prefix,
             std::vector<std::pair<std::vector<std::string>, const Command*>>& leaves) {
  for (const Command& command : commands) {
    std::vector<std::string> words = prefix;
    words.push_back(command.name);
    if (command.commands.empty()) leaves.emplace_back(words, &command);
    collect(command.commands, words, leaves);
  }
}

TEST_F(BashCompletion, OffersEveryFlagOfEveryCommand) {
  const std::vector<Command> commands = make_commands();
  std::vector<std::pair<std::vector<std::string>, const Command*>> leaves;
  collect(commands, {}, leaves);
  EXPECT_GT(leaves.size(), 14U);
  for (auto& [words, command] : leaves) {
    Words expected = {"--help"};
    if (command->has_yaml) expected.insert("--config");
    for (const Option& option : command->options.options()) expected.insert("--" + option.name);
    std::vector<std::string> typed = words;
    typed.emplace_back("--");
    EXPECT_EQ(offered(typed), expected) << command->name;
  }
}

TEST_F(BashCompletion, OffersCommandsAndThoseThatTheyHold) {
  Words all;
  for (const Command& command : make_commands()) all.insert(command.name);
  EXPECT_EQ(offered({""}), all);
  EXPECT_EQ(offered({"tr"}), Words{"train"});
  EXPECT_EQ(offered({"analyze", "sp"}), Words{"spectrum"});
  EXPECT_EQ(offered({"analyze", "--"}), Words{"--help"});
  EXPECT_EQ(offered({"--"}), (Words{"--help", "--version"}));
  EXPECT_EQ(offered({"completion", ""}), (Words{"bash", "zsh"}));
}

TEST_F(BashCompletion, OffersTheValuesOfAFlag) {
  EXPECT_EQ(offered({"train", "--method", ""}), (Words{"lora", "full"}));
  EXPECT_EQ(offered({"train", "--method", "="}), (Words{"lora", "full"}));
  EXPECT_EQ(offered({"train", "--method", "=", "f"}), Words{"full"});
  EXPECT_EQ(offered({"train", "--dtype", ""}), (Words{"f32", "bf16"}));
  EXPECT_EQ(offered({"train", "--rank", ""}), Words{});
  EXPECT_EQ(offered({"train", "--rank", "8", "--gr"}),
            (Words{"--grad-accumulation-steps", "--grad-checkpoint"}));
}

TEST_F(BashCompletion, OffersFilesWhereTheyAreRead) {
  std::filesystem::create_directory(scratch_ / "my model");
  io::put(scratch_ / "my data.jsonl", "x");
  EXPECT_EQ(offered({"train", "--model", "my"}), Words{"my model"});
  EXPECT_EQ(offered({"train", "--data", "my"}), (Words{"my model", "my data.jsonl"}));
  EXPECT_EQ(offered({"train", "--config", "my d"}), Words{"my data.jsonl"});
  EXPECT_EQ(offered({"inspect", "my d"}), Words{"my data.jsonl"});
}

TEST(ZshCompletion, NamesEveryFlagOfEveryCommand) {
  const std::vector<Command> commands = make_commands();
  const std::string script = zsh_completion(commands);
  EXPECT_TRUE(script.starts_with("#compdef lorry\n"));
  std::vector<std::pair<std::vector<std::string>, const Command*>> leaves;
  collect(commands, {}, leaves);
  for (const auto& [words, command] : leaves) {
    const std::string begin = fmt::format("    {})\n", command->name);
    const std::size_t from = script.find(begin);
    ASSERT_NE(from, std::string::npos) << command->name;
    const std::string part = script.substr(from, script.find("      ;;\n", from) - from);
    for (const Option& option : command->options.options()) {
      const std::string flag = fmt::format("--{}{}[", option.name, option.binding.is_switch ? "" : "=");
      EXPECT_NE(part.find(flag), std::string::npos) << command->name << " " << flag;
    }
    EXPECT_NE(part.find("--help"), std::string::npos) << command->name;
  }
  EXPECT_NE(script.find("--method=[lora, or full\\: every weight trains"), std::string::npos);
  EXPECT_NE(script.find(":NAME:(lora full)'"), std::string::npos);
}

TEST(ZshCompletion, IsGoodSyntaxWhereThereIsAZsh) {
  if (std::system("command -v zsh >/dev/null 2>&1") != 0) GTEST_SKIP() << "no zsh";
  const io::ScratchFolder scratch;
  io::put(scratch / "_lorry", zsh_completion(make_commands()));
  EXPECT_EQ(output_of(fmt::format("zsh -n '{}' 2>&1", (scratch / "_lorry").string())), "");
}

TEST(CompletionCommand, PrintsTheScripts) {
  const Outcome bash = run_lorry({"completion", "bash"});
  EXPECT_EQ(bash.code, 0) << bash.err;
  EXPECT_EQ(bash.out, bash_completion(make_commands()));
  EXPECT_EQ(run_lorry({"completion", "zsh"}).out, zsh_completion(make_commands()));
  const Outcome fish = run_lorry({"completion", "fish"});
  EXPECT_EQ(fish.code, 2);
  EXPECT_NE(fish.err.find(R"(--shell: found "fish"; expected one of bash, zsh)"), std::string::npos)
      << fish.err;
}

}  // namespace
}  // namespace lorry::cli
