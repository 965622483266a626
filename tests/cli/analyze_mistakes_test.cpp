// Every mistake that a user of `lorry analyze` can make ends with one clear line, and nothing half-written.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "io/io_support.hpp"
#include "io/safetensors.hpp"

namespace lorry::cli {
namespace {

using Arguments = std::vector<std::string>;

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";

/// Width `size` in and out, rank 1.
SmallFactors one_direction(const std::string& module, Index size) {
  return {.module = module, .a = {unit_row(size, 0)}, .b = unit_columns(size, {1}, {1.0F})};
}

class AnalyzeMistakes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    write_small_adapter(path("good"), {one_direction(kQuery, 32)});
    write_small_adapter(path("wide"), {one_direction(kQuery, 64)});
    write_small_adapter(path("elsewhere"), {one_direction("transformer.h.0.attn.c_attn", 32)});
    SmallFactors broken = one_direction(kQuery, 32);
    broken.b[3][0] = std::numeric_limits<float>::quiet_NaN();
    write_small_adapter(path("nan"), {broken});
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }

  /// One line that holds `words`, exit code 1, nothing on standard output, and no new file.
  static void expect_error(const Arguments& arguments, const std::string& words, int code = 1) {
    Arguments all = {"analyze"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    // With several threads, progress of other modules may come before the error.
    all.insert(all.end(), {"--threads", "1"});
    const std::vector<std::string> before = scratch_->names();
    const Outcome outcome = run_lorry(all);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.substr(0, 7), "error: ") << outcome.err;
    EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1) << outcome.err;
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.err << "  lacks: " << words;
    EXPECT_EQ(scratch_->names(), before) << "half-written";
  }

  /// The same where the command line is to blame: exit code 2.
  static void expect_usage(const Arguments& arguments, const std::string& words) {
    expect_error(arguments, words, 2);
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> AnalyzeMistakes::scratch_;

TEST_F(AnalyzeMistakes, AdaptersOfDifferentModels) {
  for (const char* other : {"wide", "elsewhere"}) {
    expect_error({"similarity", path("good"), path(other)}, "adapters of different models?");
  }
  expect_error({"amplification", path("wide"), "--model", path("model")}, kQuery);
  expect_error({"amplification", path("elsewhere"), "--model", path("model")}, "transformer.h.0.attn.c_attn");
}

TEST_F(AnalyzeMistakes, NaNInATensor) {
  const std::string words = fmt::format("{}.lora_B.weight\": found NaN or infinity", kQuery);
  expect_error({"spectrum", path("nan"), "--html", path("page.html")}, words);
  expect_error({"similarity", path("good"), path("nan"), "--csv", path("phi.csv")}, words);
  expect_error({"amplification", path("nan"), "--model", path("model"), "--svg", path("charts")}, words);
  expect_error({"compress", path("nan"), "--rank", "1", "--out", path("out")}, words);
}

TEST_F(AnalyzeMistakes, NaNInAWeight) {
  std::filesystem::copy(path("model"), path("spoilt"));
  const std::string file = path("spoilt") + "/model.safetensors";
  std::string bytes = io::get(file);
  const io::SafetensorsFile tensors(file);
  const std::span<const std::byte> query = tensors.at(std::string(kQuery) + ".weight").bytes;
  const auto at = query.data() - tensors.mapping()->bytes().data();
  bytes.replace(static_cast<std::size_t>(at), 4, std::string(4, '\xff'));
  io::put(file, bytes);
  expect_error({"amplification", path("good"), "--model", path("spoilt")},
               fmt::format("tensor \"{}.weight\": found NaN or infinity", kQuery));
  const std::string words = fmt::format("module \"{}\": found NaN or infinity", kQuery);
  // Of q_proj alone, so that no other module is reported before it.
  expect_error({"spectrum", path("spoilt"), "--model", path("model"), "--modules", "q_proj"}, words);
  expect_error({"similarity", path("model"), path("good"), "--model", path("spoilt")}, words);
  expect_error({"compress", path("spoilt"), "--model", path("model"), "--modules", "q_proj", "--rank", "1",
                "--out", path("out")},
               words);
  io::put(path("data.jsonl"), counting_records(2));
  const Outcome evaluated = run_lorry({"eval", "--model", path("spoilt"), "--adapter", path("good"), "--data",
                                       path("data.jsonl"), "--threads", "1"});
  EXPECT_EQ(evaluated.code, 1);
  EXPECT_NE(evaluated.err.find(
                fmt::format("expected a finite number: did training diverge? (model {}, adapter {})\n",
                            path("spoilt"), path("good"))),
            std::string::npos)
      << evaluated.err;
}

TEST_F(AnalyzeMistakes, HalfAModule) {
  // lora_B renamed to a second module's lora_A: each lacks its other half.
  std::filesystem::copy(path("good"), path("half"));
  const std::string file = path("half") + "/adapter_model.safetensors";
  std::string bytes = io::get(file);
  bytes.replace(bytes.find("q_proj.lora_B"), 13, "v_proj.lora_A");
  io::put(file, bytes);
  expect_error({"spectrum", path("half")},
               fmt::format("module \"{}\": found one of lora_A and lora_B; expected both", kQuery));
}

TEST_F(AnalyzeMistakes, FoldersThatAreNoAdapters) {
  expect_error({"spectrum", path("nowhere")}, path("nowhere"));
  expect_error({"spectrum", path("parts")}, path("parts"));
  std::filesystem::create_directory(path("empty"));
  expect_error({"amplification", path("good"), "--model", path("empty")},
               path("empty") + ": config.json is missing; expected a model folder");
}

TEST_F(AnalyzeMistakes, ATunedModelNeedsItsBaseAndNothingElseDoes) {
  expect_error({"spectrum", path("model")}, "found a model, not an adapter; expected its base too (--model)");
  expect_usage({"spectrum", path("good"), "--model", path("model")},
               "--model: has no effect where every ADAPTER is an adapter");
  expect_usage({"amplification", path("good")}, "--model: missing; expected --model DIR");
}

TEST_F(AnalyzeMistakes, ModulesThatDoNotExist) {
  expect_error({"spectrum", path("good"), "--modules", "k_proj"}, "\"k_proj\"");
  expect_error({"spectrum", path("good"), "--modules", "("}, "--modules");
}

TEST_F(AnalyzeMistakes, TooFewAdapters) {
  expect_usage({"similarity", path("good")}, "ADAPTER: found 1; expected 2 or more");
  expect_usage({"spectrum"}, "ADAPTER: found none; expected one or more");
  expect_usage({"compress", "--rank", "1", "--out", path("out")}, "ADAPTER: found none; expected one");
}

TEST_F(AnalyzeMistakes, NumbersOutOfRange) {
  expect_usage({"spectrum", path("good"), "--energy", "0"},
               "--energy: found \"0\"; expected a number above 0");
  expect_usage({"compress", path("good"), "--energy", "1.5", "--out", path("out")},
               "--energy: found \"1.5\"");
  expect_usage({"compress", path("good"), "--rank", "0", "--out", path("out")}, "--rank: found \"0\"");
  expect_usage({"compress", path("good"), "--out", path("out")},
               "--rank, --energy: found neither; expected one of them");
  expect_usage({"compress", path("good"), "--rank", "1", "--energy", "0.5", "--out", path("out")},
               "--rank, --energy: found both; expected one of them");
  expect_usage({"similarity", path("good"), path("good"), "--seeds", "-1"}, "--seeds: found \"-1\"");
  expect_usage({"similarity", path("good"), path("good"), "--seeds", "1001"},
               "--seeds: found \"1001\"; expected an integer from 0 to 1000");
  expect_usage({"amplification", path("good"), "--model", path("model"), "--seeds", "99999999"},
               "--seeds: found \"99999999\"; expected an integer from 1 to 1000");
  expect_usage({"similarity", path("good"), path("good"), "--seeds", "0", "--seed", "5"},
               "[analyze] --seed: has no effect with --seeds 0; expected one of them");
}

TEST_F(AnalyzeMistakes, ARankAboveTheDimensionKeepsWhatThereIs) {
  const Outcome outcome = run_lorry(
      {"analyze", "compress", path("good"), "--rank", "1000", "--out", path("as-it-was"), "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find(R"("rank":1,)"), std::string::npos) << outcome.out;
  // 40 rows of A in 32 dimensions have at most 32 directions.
  SmallFactors tall{.module = kQuery, .a = {}, .b = {}};
  for (Index k = 0; k < 40; ++k) tall.a.push_back(unit_row(32, k % 32, 1.0F + static_cast<float>(k)));
  tall.b = std::vector<std::vector<float>>(32, std::vector<float>(40, 0.0F));
  for (std::size_t k = 0; k < 40; ++k) tall.b[k % 32][k] = 1.0F + static_cast<float>(k);
  write_small_adapter(path("tall"), {tall});
  const Outcome spectrum = run_lorry({"analyze", "spectrum", path("tall"), "--json"});
  EXPECT_EQ(spectrum.code, 0) << spectrum.err;
  EXPECT_NE(spectrum.out.find(R"("rank":40,"numerical_rank":32,)"), std::string::npos) << spectrum.out;
}

TEST_F(AnalyzeMistakes, OutputsThatCannotBeWritten) {
  // Root may write anywhere, so a file stands where a folder should be.
  io::put(path("file"), "");
  const std::string below = path("file") + "/x";
  for (const char* flag : {"--csv", "--html", "--svg"}) {
    expect_error({"spectrum", path("good"), flag, below}, below);
  }
  expect_error({"compress", path("good"), "--rank", "1", "--out", below}, below);
  expect_error({"spectrum", path("good"), "--csv", path("parts")},
               "is a folder; expected the name of a file");
  expect_error({"spectrum", path("good"), "--svg", path("parts")}, path("parts"));
  expect_error({"compress", path("good"), "--rank", "1", "--out", path("parts")}, path("parts"));
  expect_usage({"spectrum", path("good"), "--csv", path("same"), "--html", path("same")},
               "--csv, --html: found " + path("same") + " for both; expected two places");
  expect_usage({"spectrum", path("good"), "--svg", path("same"), "--html", path("parts") + "/../same"},
               "--html, --svg: found " + path("parts") + "/../same for both; expected two places");
  EXPECT_FALSE(std::filesystem::exists(path("same")));
}

TEST_F(AnalyzeMistakes, CommandsAndFlagsThatDoNotExist) {
  expect_usage({"spectra", path("good")},
               R"(unknown command "spectra" of lorry analyze; did you mean "spectrum"? (it has )");
  expect_usage({"spectrum", path("good"), "--target-modules", "q_proj"},
               R"(unknown flag --target-modules; did you mean "modules"?)");
  expect_usage({"compress", path("good"), path("good")}, "unexpected argument");
  expect_usage({"compress", path("good"), "--rank", "0", "--out", path("out")},
               " (lorry analyze compress --help)\n");
  expect_usage({"spectra", path("good")}, " (lorry analyze --help)\n");
  const Outcome british = run_lorry({"analyse", "spectrum"});
  EXPECT_EQ(british.code, 2);
  EXPECT_NE(british.err.find(R"(unknown command "analyse"; did you mean "analyze"?)"), std::string::npos);
}

}  // namespace
}  // namespace lorry::cli
