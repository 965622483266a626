// The YAML file of a sweep: the rows it makes, and what it says to mistakes.
#include "cli/sweep_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "cli/train_options.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

/// A reader of files, with a table of its own each time: reading leaves its marks there.
class SweepFile : public testing::Test {
 public:
  SweepFile() {
    table_.group("Model");
    table_.add("model", "DIR", bind_path(options_.model), "");
    add_train_options(table_, options_, "");
    table_.find("out")->in_config = false;
  }

  sweep::Request read(const std::string& yaml) {
    io::put(scratch_ / "sweep.yaml", yaml);
    return read_sweep(scratch_ / "sweep.yaml", table_, options_);
  }
  void flag(const std::string& name, const std::string& text) {
    table_.set(*table_.find(name), text, Source::kFlag, "--" + name);
  }
  /// The message for `yaml`, with the file's name as "F".
  static std::string error(const std::string& yaml) {
    SweepFile fresh;
    const std::string file = fresh.scratch_ / "sweep.yaml";
    std::string message = io::error_of([&] { fresh.read(yaml); });
    const std::size_t at = message.find(file);
    return at == std::string::npos ? message : message.replace(at, file.size(), "F");
  }
  /// One line per row: method, targets, rank, alpha, lr, what else varies.
  static std::vector<std::string> lines(const sweep::Request& request) {
    std::vector<std::string> all;
    const auto shown = [](const auto& value) { return value ? fmt::format("{}", *value) : std::string("-"); };
    for (const sweep::RowRequest& row : request.rows) {
      const bool lora = row.options.method == train::Method::kLora;
      std::string line =
          lora ? fmt::format("{}", fmt::join(row.options.lora.target_modules.names, "+")) : "full";
      if (row.options.lora.target_modules.pattern == "all-linear" && lora) line = "all-linear";
      line += fmt::format(" r{} a{} lr{}", shown(row.rank),
                          shown(row.exact_alpha ? row.exact_alpha : row.alpha), shown(row.options.lr));
      for (const auto& [name, value] : row.varied) line += fmt::format(" {}={}", name, value);
      all.push_back(line);
    }
    return all;
  }

  void TestBody() override {}

  io::ScratchFolder scratch_;
  train::TrainOptions options_;
  OptionTable table_;
};

using Lines = std::vector<std::string>;

TEST_F(SweepFile, GridIsTheProductOfItsLists) {
  const sweep::Request request = read(
      "model: m\nlr: 0.5\ngrid:\n  target_modules: [q_proj, [q_proj, v_proj], all-linear]\n  rank: [1, 2]\n"
      "  seed: [3, 4]\n");
  EXPECT_EQ(lines(request),
            (Lines{"q_proj r1 a- lr0.5", "q_proj r2 a- lr0.5", "q_proj+v_proj r1 a- lr0.5",
                   "q_proj+v_proj r2 a- lr0.5", "all-linear r1 a- lr0.5", "all-linear r2 a- lr0.5"}));
  EXPECT_EQ(request.seeds, (std::vector<std::uint64_t>{3, 4}));
  EXPECT_FALSE(request.budget.has_value());
  EXPECT_EQ(options_.model, "m");
}

TEST_F(SweepFile, SetsOfTargetsMayHaveNames) {
  const sweep::Request request =
      read("grid:\n  target_modules: {W_q: q_proj, \"all four\": [q_proj, k_proj, v_proj, o_proj]}\n");
  ASSERT_EQ(request.rows.size(), 2U);
  EXPECT_EQ(request.rows[0].targets_name, "W_q");
  EXPECT_EQ(request.rows[1].targets_name, "all four");
  EXPECT_EQ(request.rows[1].options.lora.target_modules.names.size(), 4U);
}

TEST_F(SweepFile, AnyOptionOfARunMayVary) {
  const sweep::Request request =
      read("rank: 4\nsteps: 9\ngrid: {dropout: [0, 0.1], lr: [1, 2], epochs: [3]}\n");
  EXPECT_EQ(
      lines(request),
      (Lines{"all-linear r4 a- lr1 dropout=0 epochs=3", "all-linear r4 a- lr2 dropout=0 epochs=3",
             "all-linear r4 a- lr1 dropout=0.1 epochs=3", "all-linear r4 a- lr2 dropout=0.1 epochs=3"}));
  EXPECT_EQ(request.rows[2].options.lora.lora_dropout, 0.1);
  EXPECT_FALSE(request.rows[0].options.steps.has_value());  // the row's own epochs count
  EXPECT_EQ(options_.steps, 9);                             // and others' stay
}

TEST_F(SweepFile, RowsComeAfterTheGrid) {
  const sweep::Request request = read(
      "alpha: 8\ngrid: {rank: [1]}\nrows:\n  - {method: full, lr: 0.25}\n  - {name: mine, rank: 3, alpha: "
      "5}\n");
  EXPECT_EQ(lines(request), (Lines{"all-linear r1 a8 lr-", "full r- a8 lr0.25", "all-linear r3 a5 lr-"}));
  EXPECT_EQ(request.rows[2].name, "mine");
  EXPECT_TRUE(request.rows[2].exact_alpha.has_value());
  EXPECT_FALSE(request.rows[0].exact_alpha.has_value());
  EXPECT_EQ(options_.method, train::Method::kLora);
}

TEST_F(SweepFile, AlphasOfTheGridFollowTheRule) {
  const sweep::Request request = read("grid: {rank: [1, 2], alpha: [8, 16]}\n");
  EXPECT_EQ(lines(request), (Lines{"all-linear r1 a8 lr-", "all-linear r1 a16 lr-", "all-linear r2 a8 lr-",
                                   "all-linear r2 a16 lr-"}));
  for (const sweep::RowRequest& row : request.rows) EXPECT_FALSE(row.exact_alpha.has_value());
}

TEST_F(SweepFile, RowsAloneNeedNoGridAndSeedsAloneAreOneRow) {
  EXPECT_EQ(lines(read("grid: {seed: [1, 2]}\nrows: [{lr: 1}, {lr: 2}]\n")),
            (Lines{"all-linear r- a- lr1", "all-linear r- a- lr2"}));
  const sweep::Request request = SweepFile().read("grid: {seed: [1, 2]}\n");
  EXPECT_EQ(lines(request), Lines{"all-linear r- a- lr-"});
  EXPECT_EQ(request.seeds.size(), 2U);
  EXPECT_EQ(SweepFile().read("seed: 6\n").seeds, std::vector<std::uint64_t>{6});
}

TEST_F(SweepFile, MethodOfARowComesFirstWhereverItStands) {
  EXPECT_EQ(lines(read("rows:\n  - {lr: 2, method: full}\n")), Lines{"full r- a- lr2"});
  EXPECT_EQ(error("rows:\n  - {rank: 2, method: full}\n"),
            "[config] F:2: rows: rank: has no effect with method full; expected it without");
}

TEST_F(SweepFile, FlagsHoldForEveryRow) {
  flag("rank", "7");
  flag("seed", "9");
  const sweep::Request request =
      read("rank: 2\ngrid: {rank: [1, 2], lr: [1, 2], seed: [1, 2]}\nrows: [{rank: 3, lr: 3}]\n");
  EXPECT_EQ(lines(request), (Lines{"all-linear r7 a- lr1", "all-linear r7 a- lr2", "all-linear r7 a- lr3"}));
  EXPECT_EQ(request.seeds, std::vector<std::uint64_t>{9});
}

TEST_F(SweepFile, FlagForStepsOverrulesEpochsAndTheOtherWayRound) {
  for (const char* yaml : {"grid: {epochs: [1, 2], lr: [1]}\n", "steps: 3\ngrid: {epochs: [1], lr: [1]}\n",
                           "rows: [{epochs: 2, lr: 1}]\n", "epochs: 3\ngrid: {lr: [1]}\n"}) {
    SweepFile fresh;
    fresh.flag("steps", "7");
    const sweep::Request request = fresh.read(yaml);
    EXPECT_EQ(lines(request), Lines{"all-linear r- a- lr1"}) << yaml;
    EXPECT_EQ(request.rows[0].options.steps, 7) << yaml;
  }
  for (const char* yaml :
       {"grid: {steps: [1, 2], lr: [1]}\n", "rows: [{steps: 2, lr: 1}]\n", "steps: 3\ngrid: {lr: [1]}\n"}) {
    SweepFile fresh;
    fresh.flag("epochs", "0.5");
    const sweep::Request request = fresh.read(yaml);
    EXPECT_EQ(lines(request), Lines{"all-linear r- a- lr1"}) << yaml;
    EXPECT_FALSE(request.rows[0].options.steps.has_value()) << yaml;
    EXPECT_EQ(request.rows[0].options.epochs, 0.5) << yaml;
  }
}

TEST_F(SweepFile, StepsAndEpochsOfOneRowContradict) {
  EXPECT_EQ(error("grid:\n  steps: [1]\n  epochs: [2]\n"),
            "[config] F:3: grid: found both steps and epochs; expected one of them");
  EXPECT_EQ(error("rows:\n  - {steps: 1, epochs: 2}\n"),
            "[config] F:2: rows: found both steps and epochs; expected one of them");
}

TEST_F(SweepFile, FlagThatNoRowTakesUpIsRefused) {
  flag("rank", "2");
  io::put(scratch_ / "sweep.yaml", "rows: [{method: full, lr: 1}]\n");
  EXPECT_EQ(io::error_of([&] { read_sweep(scratch_ / "sweep.yaml", table_, options_); }),
            "[sweep] --rank: has no effect where every row has method full; expected it without");
  SweepFile mixed;
  mixed.flag("rank", "2");
  EXPECT_EQ(mixed.read("rows: [{method: full, lr: 1}, {lr: 1}]\n").rows.size(), 2U);
}

TEST_F(SweepFile, WhatTheGridTriesStandsNowhereElse) {
  EXPECT_EQ(error("rank: 4\ngrid:\n  rank: [1, 2]\n"),
            "[config] F:3: grid: rank: found beside rank outside the grid; expected one of them");
  EXPECT_EQ(error("seed: 4\ngrid: {seed: [1, 2]}\n"),
            "[config] F:2: grid: seed: found beside seed outside the grid; expected one of them");
  EXPECT_EQ(read("rank: 4\nrows: [{rank: 2}, {lr: 1}]\n").rows.size(), 2U);  // for the rows without one
}

TEST_F(SweepFile, AnOptionThatNoRowTakesUpIsRefused) {
  EXPECT_EQ(error("use_dora: true\nrows: [{method: full, lr: 1}]\n"),
            "[sweep] --use-dora: has no effect where every row has method full; expected it without");
  EXPECT_EQ(error("method: full\ndropout: 0.1\ngrid: {lr: [1, 2]}\n"),
            "[sweep] --dropout: has no effect where every row has method full; expected it without");
  EXPECT_EQ(read("use_dora: true\nrows: [{method: full, lr: 1}, {lr: 1}]\n").rows.size(), 2U);
  EXPECT_EQ(error("budget: 5000\nrows: [{method: full, lr: 1}]\n"),
            "[config] F:1: budget: has no effect where every row has method full; expected it without");
}

TEST_F(SweepFile, TextThatIsNotUtf8IsRefusedWithItsLine) {
  const char* expected = "[config] F:2: found text that is not UTF-8; expected a file in UTF-8";
  EXPECT_EQ(error("grid:\n  target_modules: {caf\xE9: q_proj}\n"), expected);
  EXPECT_EQ(error("# \xC3\xA9\n\xFF\xFE: 1\n"), expected);
}

TEST_F(SweepFile, Budget) {
  EXPECT_EQ(read("budget: 5000\n").budget->parameters, 5000);
  const auto budget = SweepFile().read("budget: {rank: 4, target_modules: [q_proj, v_proj]}\n").budget;
  EXPECT_FALSE(budget->parameters.has_value());
  EXPECT_EQ(budget->rank, 4);
  EXPECT_EQ(budget->target_modules.names.size(), 2U);
  EXPECT_EQ(error("budget: none\n"),
            R"([config] F:1: budget: found "none"; expected an integer of at least 1)");
  EXPECT_EQ(
      error("budget: {rank: 4}\n"),
      "[config] F:1: budget: found a mapping; expected both rank and target_modules in it, or a number of "
      "parameters");
  EXPECT_EQ(error("budget: {rnak: 4}\n"),
            R"([config] F:1: budget: unknown key "rnak"; did you mean "rank"?)");
  EXPECT_EQ(error("budget: {rank: 0, target_modules: q_proj}\n"),
            R"([config] F:1: budget: rank: found "0"; expected an integer of at least 1)");
}

TEST_F(SweepFile, UnknownKeysAreNamedWithTheNearest) {
  EXPECT_EQ(error("model: m\ngird:\n  rank: [1]\n"),
            R"([config] F:2: unknown key "gird"; did you mean "grid"?)");
  EXPECT_EQ(error("learning_rte: 1\n"),
            R"([config] F:1: unknown key "learning_rte"; did you mean "learning-rate"?)");
  EXPECT_EQ(error("grid:\n  rnak: [1]\n"), R"([config] F:2: grid: unknown key "rnak"; did you mean "rank"?)");
  EXPECT_EQ(error("grid:\n  lora_r: [1]\n"),
            R"([config] F:2: grid: unknown key "lora_r"; did you mean "rank"?)");
  EXPECT_EQ(error("rows:\n  - nmae: x\n"), R"([config] F:2: rows: unknown key "nmae"; did you mean "name"?)");
  EXPECT_EQ(error("adapter: x\n").substr(0, 36), R"([config] F:1: unknown key "adapter";)");
}

TEST_F(SweepFile, WhatAllCellsShareStandsOutside) {
  for (const char* key : {"model", "data", "eval_data", "max_seq_length", "dtype", "threads"}) {
    EXPECT_EQ(
        error(fmt::format("grid:\n  {}: [x]\n", key)),
        fmt::format("[config] F:2: grid: found \"{}\"; expected it outside, since all cells share it", key));
  }
  EXPECT_EQ(error("out: x\n"), R"([config] F:1: unknown key "out"; expected on the command line)");
  EXPECT_EQ(
      error("grid: {method: [full]}\n"),
      "[config] F:1: grid: method: found in the grid; expected under rows, since full fine-tuning has no "
      "rank");
  EXPECT_EQ(error("rows:\n  - seed: 1\n"),
            "[config] F:2: rows: seed: found in a row; expected in the grid, for all rows");
  EXPECT_EQ(error("method: full\ngrid: {rank: [1]}\n"),
            "[config] F:2: grid: rank: has no effect with method full; expected it without");
}

TEST_F(SweepFile, ValuesAreCheckedWithTheirLine) {
  EXPECT_EQ(error("grid:\n  rank: [1,\n    0]\n"),
            R"([config] F:2: grid: rank: found "0"; expected an integer of at least 1)");
  EXPECT_EQ(error("grid:\n  rank: 1\n"),
            "[config] F:2: grid: rank: found no list; expected the values to try, such as [1, 2]");
  EXPECT_EQ(error("grid:\n  rank: []\n"),
            "[config] F:2: grid: rank: found an empty list; expected the values to try");
  EXPECT_EQ(error("grid:\n  rank: {a: 1}\n"),
            "[config] F:2: grid: rank: found no list; expected the values to try, such as [1, 2]");
  EXPECT_EQ(error("grid:\n  rank: [[1, 2]]\n"),
            R"([config] F:2: grid: rank: found "1,2"; expected an integer of at least 1)");
  EXPECT_EQ(error("grid: [1]\n"),
            "[config] F:1: grid: found no mapping; expected lists such as `rank: [1, 2]`");
  EXPECT_EQ(error("grid:\n  rank: [1]\n  rank: [2]\n"), R"([config] F:3: key "rank" comes twice)");
  EXPECT_EQ(error("rows: 1\n"),
            "[config] F:1: rows: found no list; expected lines such as `- {method: full, lr: 1e-4}`");
  EXPECT_EQ(error("rows: []\n"), "[config] F:1: rows: found an empty list; expected rows");
  EXPECT_EQ(error("rows:\n  - 1\n"),
            "[config] F:2: rows: found no mapping; expected options such as {method: full, lr: 1e-4}");
  EXPECT_EQ(error("rows:\n  - lr: 1\n  - lr: high\n"),
            R"([config] F:3: rows: lr: found "high"; expected a number above 0)");
  EXPECT_EQ(error("steps: 1\nepochs: 1\n"), "[train] --steps, --epochs: found both; expected one of them");
}

TEST_F(SweepFile, ProductsTooLargeToListAreRefused) {
  std::string list = "[1";
  for (int i = 2; i <= 200; ++i) list += fmt::format(", {}", i);
  list += "]";
  EXPECT_EQ(error(fmt::format("grid: {{rank: {0}, alpha: {0}, lr: {0}}}\n", list)),
            "[config] F:1: grid: found more than 10000 combinations; expected fewer");
}

}  // namespace
}  // namespace lorry::cli
