// Commands that hold commands, and options that take several values: parsing, help and messages.
#include "cli/arguments.hpp"

#include <gtest/gtest.h>

#include <array>

#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "core/option_error.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

struct Values {
  std::vector<std::filesystem::path> inputs;
  std::filesystem::path file;
  Index rank = 8;
  bool json = false;
};

using Paths = std::vector<std::filesystem::path>;

/// `lorry stop`, and `lorry look one FILE` and `lorry look many INPUT_1 INPUT_2 [...]`.
class ArgumentsOfNestedCommands : public testing::Test {
 protected:
  ArgumentsOfNestedCommands() {
    Command one{.name = "one", .purpose = "Looks at a file.", .notes = "Notes of one.\n", .has_yaml = false};
    Option& file = one.options.add("file", "FILE", bind_path(values_.file), "the file");
    file.positional = file.required = true;
    Command many{.name = "many", .purpose = "Looks at several.", .has_yaml = false};
    Option& inputs = many.options.add("input", "INPUT", bind_paths(values_.inputs), "a folder");
    inputs.positional = inputs.required = inputs.repeated = true;
    inputs.least = 2;
    many.options.add("rank", "N", bind_integer(values_.rank, 1), "how many");
    many.options.add("json", "", bind_switch(values_.json), "as JSON");
    commands_[0] = {
        .name = "look", .purpose = "Looks.", .notes = "Notes of look.\n", .commands = {one, many}};
    commands_[1] = {.name = "stop", .purpose = "Stops.", .has_yaml = false};
  }

  Request parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "lorry");
    return parse_arguments(static_cast<int>(arguments.size()), arguments.data(), commands_);
  }
  std::string usage_error(const std::vector<const char*>& arguments) {
    try {
      parse(arguments);
    } catch (const OptionError& error) {
      return error.what();
    }
    return "no error";
  }
  std::string error(const std::vector<const char*>& arguments) {
    return io::error_of([&] { parse(arguments); });
  }

  Values values_;
  std::array<Command, 2> commands_;
};

TEST_F(ArgumentsOfNestedCommands, TheInnerCommandIsChosen) {
  const Request request = parse({"look", "one", "somewhere"});
  ASSERT_NE(request.command, nullptr);
  EXPECT_EQ(request.command, commands_[0].commands.data());
  EXPECT_EQ(values_.file, "somewhere");
}

TEST_F(ArgumentsOfNestedCommands, NamesOfCommandsAreFineAsPaths) {
  ASSERT_NE(parse({"look", "many", "one", "many", "look", "stop"}).command, nullptr);
  EXPECT_EQ(values_.inputs, (Paths{"one", "many", "look", "stop"}));
}

TEST_F(ArgumentsOfNestedCommands, SeveralValuesComeWithAndWithoutTheirFlag) {
  ASSERT_NE(parse({"look", "many", "a", "--rank", "4", "b", "--json", "c"}).command, nullptr);
  EXPECT_EQ(values_.inputs, (Paths{"a", "b", "c"}));
  EXPECT_EQ(values_.rank, 4);
  EXPECT_TRUE(values_.json);
  values_ = {};
  ASSERT_NE(parse({"look", "many", "--input", "a", "--input", "b,c"}).command, nullptr);
  EXPECT_EQ(values_.inputs, (Paths{"a", "b,c"}));
}

TEST_F(ArgumentsOfNestedCommands, TooFewValuesAreRefused) {
  EXPECT_EQ(usage_error({"look", "many"}), "INPUT: found none; expected 2 or more");
  EXPECT_EQ(usage_error({"look", "many", "a"}), "INPUT: found 1; expected 2 or more");
  EXPECT_EQ(usage_error({"look", "one"}), "FILE: found none; expected one");
  EXPECT_EQ(error({"look", "many", "a", ""}), R"(INPUT: found ""; expected a path)");
  EXPECT_EQ(usage_error({"look", "one", "a", "b"}), R"(unexpected argument "b")");
}

TEST_F(ArgumentsOfNestedCommands, UnknownNamesAreAnsweredWithTheNearest) {
  EXPECT_EQ(usage_error({"look", "meny", "a"}),
            R"(unknown command "meny" of lorry look; did you mean "many"? (it has one, many))");
  EXPECT_EQ(
      usage_error({"look", "everywhere"}),
      R"(unknown command "everywhere" of lorry look; expected one of one, many, in its place or before it)");
  EXPECT_EQ(usage_error({"look", "--rank", "4"}), "unknown flag --rank; expected a command first");
  EXPECT_EQ(usage_error({"look", "many", "a", "b", "--rnak", "4"}),
            R"(unknown flag --rnak; did you mean "rank"?)");
  EXPECT_EQ(usage_error({"lok"}), R"(unknown command "lok"; did you mean "look"?)");
}

TEST_F(ArgumentsOfNestedCommands, ValuesOutOfRangeAreUsageErrors) {
  EXPECT_EQ(usage_error({"look", "many", "a", "b", "--rank", "0"}),
            R"(--rank: found "0"; expected an integer of at least 1)");
}

TEST(CommandList, AreAllInTheHelpAndHaveAPage) {
  const std::vector<Command> commands = make_commands();
  const std::string help = program_help(commands);
  for (const Command& command : commands) {
    EXPECT_NE(help.find("\n  " + command.name + " "), std::string::npos) << command.name;
    EXPECT_NE(help.find(command.purpose + "\n"), std::string::npos) << command.name;
    const std::string page = LORRY_SOURCE_DIR "/docs/commands/" + command.name + ".md";
    EXPECT_EQ(io::get(page).substr(0, command.name.size() + 9), "# lorry " + command.name + "\n");
  }
  EXPECT_EQ(commands.size(), 16U);
}

TEST_F(ArgumentsOfNestedCommands, HelpIsThereOnEveryLevel) {
  const std::string outer = parse({"look", "--help"}).text;
  EXPECT_NE(outer.find("Looks.\n\nUsage: lorry look COMMAND [options]\n"), std::string::npos) << outer;
  EXPECT_NE(outer.find("\nCommands:\n  one   Looks at a file.\n  many  Looks at several.\n"),
            std::string::npos);
  EXPECT_NE(outer.find("\nNotes of look.\n"), std::string::npos);
  EXPECT_EQ(parse({"look"}).text, outer);
  EXPECT_EQ(parse({"look", "-h", "many"}).text, outer);
  const std::string many = parse({"look", "many", "--help"}).text;
  EXPECT_NE(many.find("\nUsage: lorry look many INPUT_1 INPUT_2 [...] [options]\n"), std::string::npos)
      << many;
  EXPECT_NE(many.find("\n  [--input] INPUT ...             a folder (required)\n"), std::string::npos)
      << many;
  EXPECT_NE(parse({"look", "one", "-h"}).text.find("\nUsage: lorry look one FILE [options]\n"),
            std::string::npos);
}

}  // namespace
}  // namespace lorry::cli
