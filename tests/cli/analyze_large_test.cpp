// `lorry analyze` on a full fine-tune too large to be decomposed whole: every command says what it left out.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

/// "base" and "tuned" are two random models whose q_proj is [1040,1040]: their difference is flat, and its
/// top 128 directions are far from holding all of it.
class AnalyzeLarge : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    write_tiny_parts(path("parts"));
    Json config = Json::parse(io::get(path("parts") + "/config.json"));
    config["hidden_size"] = 1040;
    config["intermediate_size"] = 32;
    config["num_hidden_layers"] = 1;
    config["num_key_value_heads"] = 1;
    io::put(path("parts") + "/config.json", config.dump());
    for (const auto& [name, seed] : {std::pair("base", "1"), {"tuned", "2"}}) {
      const Outcome made = run_lorry({"init", "--config", path("parts") + "/config.json", "--tokenizer",
                                      path("parts") + "/tokenizer.json", "--dtype", "f32", "--seed", seed,
                                      "--out", path(name)});
      ASSERT_EQ(made.code, 0) << made.err;
    }
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }

  static Outcome analyze(const char* command, const Arguments& more) {
    Arguments all = {"analyze", command};
    if (std::string_view(command) == "similarity") all.push_back(path("tuned"));
    all.insert(all.end(), {path("tuned"), "--model", path("base"), "--modules", "q_proj", "--threads", "1"});
    all.insert(all.end(), more.begin(), more.end());
    return run_lorry(all);
  }
  static Json module_of(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(outcome.out, nullptr, false).at("modules").at(0);
  }
  static void expect_words(const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text << "  lacks: " << words;
  }

  static constexpr const char* kWarning =
      "tuned: 1 of 1 modules are large and of high rank: of them the top 128 directions were "
      "computed, "
      "which hold at least ";
  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> AnalyzeLarge::scratch_;

TEST_F(AnalyzeLarge, SpectrumSaysMoreThanWhereTheDirectionsDoNotSuffice) {
  const Outcome outcome = analyze("spectrum", {"--json", "--csv", path("spectrum.csv")});
  expect_words(outcome.err, kWarning);
  const Json module = module_of(outcome);
  EXPECT_FALSE(module.at("complete").get<bool>());
  for (const char* field : {"numerical_rank", "sufficient_rank"}) {
    EXPECT_TRUE(module.at(field).is_null()) << field;
    EXPECT_EQ(module.at(std::string(field) + "_at_least"), 129) << field;
  }
  EXPECT_TRUE(module.at("effective_rank").is_null());
  EXPECT_GT(module.at("effective_rank_at_least"), 100.0);
  ASSERT_EQ(module.at("energy").size(), 128U);
  EXPECT_GT(module.at("energy").back(), 0.2);
  EXPECT_LT(module.at("energy").back(), 0.6);
  expect_words(module.at("note"), "top 128 directions only, ");
  expect_words(io::get(path("spectrum.csv")), "sufficient_rank_at_least,,129\n");
  EXPECT_EQ(io::get(path("spectrum.csv")).find("sufficient_rank,"), std::string::npos);
  // A share that they do hold is another matter.
  const Json little = module_of(analyze("spectrum", {"--json", "--energy", "0.05"}));
  EXPECT_GT(little.at("sufficient_rank"), 5);
  EXPECT_TRUE(little.at("sufficient_rank_at_least").is_null());
  const Outcome table = analyze("spectrum", {"--html", path("spectrum.html")});
  expect_words(table.out, "≥129");
  expect_words(
      table.out,
      "needs rank at least 129 for 90 % of its update; 1 of 1 modules need more than the 128 directions "
      "that were computed.");
  expect_words(io::get(path("spectrum.html")), "top 128 directions only");
}

TEST_F(AnalyzeLarge, AmplificationSaysOfHowManyDirectionsItIs) {
  const Outcome all = analyze("amplification", {"--json"});
  expect_words(all.err, kWarning);
  const Json module = module_of(all);
  EXPECT_EQ(module.at("directions"), 128);
  EXPECT_FALSE(module.at("complete").get<bool>());
  EXPECT_GT(module.at("directions_energy"), 0.2);
  EXPECT_LT(module.at("directions_energy"), 0.6);
  expect_words(module.at("note"), "top 128 directions only, ");
  const Outcome four = analyze("amplification", {"--json", "--rank", "4"});
  EXPECT_EQ(four.err.find("warning"), std::string::npos) << four.err;
  EXPECT_EQ(module_of(four).at("directions"), 4);
  EXPECT_LT(module_of(four).at("directions_energy"), 0.05);
}

TEST_F(AnalyzeLarge, SimilaritySaysWhichSideIsCut) {
  const Outcome outcome = analyze("similarity", {"--json", "--seeds", "0"});
  expect_words(outcome.err, kWarning);
  const Json module = module_of(outcome);
  EXPECT_FALSE(module.at("complete_1").get<bool>());
  EXPECT_FALSE(module.at("complete_2").get<bool>());
  EXPECT_EQ(module.at("rank_1"), 128);
  expect_words(module.at("note"), "in the second, top 128 directions only, ");
}

TEST_F(AnalyzeLarge, CompressSaysWhatItChoseFrom) {
  const Outcome outcome = analyze("compress", {"--rank", "4", "--out", path("four"), "--json"});
  expect_words(outcome.err, kWarning);
  const Json module = module_of(outcome);
  EXPECT_EQ(module.at("rank"), 4);
  EXPECT_FALSE(module.at("complete").get<bool>());
  EXPECT_GT(module.at("relative_error"), 0.9);
  // More than are computed unasked are computed, and kept.
  EXPECT_EQ(module_of(analyze("compress", {"--rank", "140", "--out", path("140"), "--json"})).at("rank"),
            140);
  const Outcome most = analyze("compress", {"--energy", "0.9", "--out", path("most")});
  EXPECT_EQ(most.code, 1);
  expect_words(most.err, "q_proj\": its top 128 directions hold 0.");
  EXPECT_FALSE(std::filesystem::exists(path("most")));
}

}  // namespace
}  // namespace lorry::cli
