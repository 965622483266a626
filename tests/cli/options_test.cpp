// The table of options: what it accepts, what it says otherwise, and YAML in and out.
#include <gtest/gtest.h>

#include "cli/config_file.hpp"
#include "cli/suggestion.hpp"
#include "io/io_support.hpp"
#include "tensor/dtype.hpp"

namespace lorry::cli {
namespace {

struct Settings {
  Index rank = 8;
  float dropout = 0.0F;
  std::optional<double> lr;
  std::string names = "all";
  bool checkpoint = false;
  std::optional<DType> dtype;
};

OptionTable make_table(Settings& values) {
  OptionTable table;
  table.add("rank", "N", bind_integer(values.rank, 1), "");
  table.add("dropout", "P", bind_number(values.dropout, {.low = 0, .high = 1, .high_open = true}), "");
  table.add("lr", "X", bind_number(values.lr, {.low = 0, .low_open = true}), "");
  table.add("target-modules", "NAMES", bind_text(values.names), "");
  table.add("grad-checkpoint", "", bind_switch(values.checkpoint), "");
  table.add("dtype", "TYPE",
            bind_choice<std::optional<DType>>(values.dtype, {{"f32", DType::kF32}, {"bf16", DType::kBF16}}),
            "");
  return table;
}

class Options : public testing::Test {
 protected:
  /// The message of setting `name` to `text`, "no error" if it is taken.
  std::string set(const std::string& name, const std::string& text) {
    return io::error_of([&] { table_.set(*table_.find(name), text, Source::kFlag, "--" + name); });
  }
  /// The message of reading `yaml`, with the file's name as "F".
  std::string read(const std::string& yaml) {
    const std::filesystem::path file = scratch_ / "train.yaml";
    io::put(file, yaml);
    const std::string message = io::error_of([&] { read_config(file, table_); });
    const std::size_t at = message.find(file.string());
    return at == std::string::npos
               ? message
               : fmt::format("{}F{}", message.substr(0, at), message.substr(at + file.string().size()));
  }

  Settings values_;
  OptionTable table_ = make_table(values_);
  io::ScratchFolder scratch_;
};

TEST_F(Options, RangesAreChecked) {
  EXPECT_EQ(set("rank", "0"), R"(--rank: found "0"; expected an integer of at least 1)");
  EXPECT_EQ(set("rank", "8x"), R"(--rank: found "8x"; expected an integer of at least 1)");
  EXPECT_EQ(set("rank", "99999999999999999999"),
            R"(--rank: found "99999999999999999999"; expected an integer of at least 1)");
  EXPECT_EQ(set("dropout", "1"), R"(--dropout: found "1"; expected a number of at least 0 and below 1)");
  EXPECT_EQ(set("lr", "0"), R"(--lr: found "0"; expected a number above 0)");
  EXPECT_EQ(set("lr", "nan"), R"(--lr: found "nan"; expected a number above 0)");
  EXPECT_EQ(set("lr", "inf"), R"(--lr: found "inf"; expected a number above 0)");
  EXPECT_EQ(set("dtype", "fp8"), R"(--dtype: found "fp8"; expected one of f32, bf16)");
  EXPECT_EQ(set("grad-checkpoint", "maybe"), R"(--grad-checkpoint: found "maybe"; expected true or false)");
  EXPECT_EQ(values_.rank, 8);
  EXPECT_FALSE(values_.lr.has_value());
  EXPECT_EQ(table_.source("rank"), Source::kDefault);
}

TEST_F(Options, ValuesAreTaken) {
  EXPECT_EQ(set("rank", "1"), "no error");
  EXPECT_EQ(set("lr", "1e-4"), "no error");
  EXPECT_EQ(set("dropout", "0"), "no error");
  EXPECT_EQ(set("dtype", "bf16"), "no error");
  EXPECT_EQ(values_.rank, 1);
  EXPECT_EQ(values_.lr, 1e-4);
  EXPECT_EQ(values_.dtype, DType::kBF16);
  EXPECT_EQ(table_.source("rank"), Source::kFlag);
}

TEST_F(Options, YamlTakesDashesUnderscoresListsAndNull) {
  EXPECT_EQ(read("rank: 4\ngrad-checkpoint: yes\ntarget_modules: [q_proj, v_proj]\nlr: null\n"), "no error");
  EXPECT_EQ(values_.rank, 4);
  EXPECT_TRUE(values_.checkpoint);
  EXPECT_EQ(values_.names, "q_proj,v_proj");
  EXPECT_FALSE(values_.lr.has_value());
  EXPECT_EQ(read(""), "no error");
}

TEST_F(Options, FlagsOverrideYaml) {
  ASSERT_EQ(set("rank", "2"), "no error");
  EXPECT_EQ(read("rank: 4\nlr: 0.5\n"), "no error");
  EXPECT_EQ(values_.rank, 2);
  EXPECT_EQ(values_.lr, 0.5);
}

TEST_F(Options, YamlMistakesAreNamedWithTheirLine) {
  EXPECT_EQ(read("rank: 4\nrnak: 5\n"), R"([config] F:2: unknown key "rnak"; did you mean "rank"?)");
  EXPECT_EQ(read("learning_rate: 5\n"), R"([config] F:1: unknown key "learning_rate"; did you mean "lr"?)");
  EXPECT_EQ(read("zzzzzz: 5\n"),
            R"([config] F:1: unknown key "zzzzzz"; expected one of rank, dropout, lr, target-modules, )"
            R"(grad-checkpoint, dtype)");
  EXPECT_EQ(read("\nrank: high\n"), R"([config] F:2: rank: found "high"; expected an integer of at least 1)");
  EXPECT_EQ(read("rank: [1, 2]\n"), R"([config] F:1: rank: found "1,2"; expected an integer of at least 1)");
  EXPECT_EQ(read("rank: {a: 1}\n"), "[config] F:1: rank: found a mapping; expected an integer of at least 1");
  EXPECT_EQ(read("dropout: 0\nrank: 1\ndropout: 0\n"), R"([config] F:3: key "dropout" comes twice)");
  EXPECT_EQ(read("rank: 4\n---\nrank: 5\n"), "[config] F:3: found a second document; expected one");
  // yaml-cpp's own list of documents has no end here.
  EXPECT_EQ(read(",\nrank: 4\n"), "[config] F:1: found a second document; expected one");
  EXPECT_EQ(read("1: 5\n").substr(0, 43), R"([config] F:1: unknown key "1"; expected one)");
  EXPECT_EQ(read("- rank\n"), "[config] F:1: found no mapping; expected lines of `key: value`");
  EXPECT_EQ(read("rank: [1\n").substr(0, 29), "[config] F:2: malformed YAML:");
}

TEST_F(Options, YamlComesBackAsItWas) {
  values_ = {.rank = 3,
             .dropout = 0.1F,
             .lr = 3e-4,
             .names = R"(.*\.(q|v)_proj: "x" # y)",
             .checkpoint = true,
             .dtype = DType::kF32};
  const std::string yaml = to_yaml(table_, [](const Option&) { return true; });
  values_ = {};
  ASSERT_EQ(read(yaml), "no error");
  EXPECT_EQ(values_.rank, 3);
  EXPECT_EQ(values_.dropout, 0.1F);
  EXPECT_EQ(values_.lr, 3e-4);
  EXPECT_EQ(values_.names, R"(.*\.(q|v)_proj: "x" # y)");
  EXPECT_TRUE(values_.checkpoint);
  EXPECT_EQ(values_.dtype, DType::kF32);
}

TEST_F(Options, WhatIsNotSetIsNotWritten) {
  EXPECT_EQ(to_yaml(table_, [](const Option&) { return true; }),
            "rank: 8\ndropout: 0\ntarget_modules: all\ngrad_checkpoint: false\n");
}

}  // namespace
}  // namespace lorry::cli
