// What `lorry analyze` says beside its figures: what was cut, left out, or not made smaller, and what control
// stands beside a figure.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

std::string module_at(Index layer, const std::string& name) {
  return fmt::format("model.layers.{}.self_attn.{}", layer, name);
}

/// Singular values 1, 1/2, 1/4, ... of width 32.
SmallFactors factors(const std::string& module, Index rank) {
  return halving_update(module, 32, rank, 0, 3, 1.0F);
}

class AnalyzeNotes : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    write_small_adapter(path("two"), {factors(module_at(0, "q_proj"), 2), factors(module_at(1, "q_proj"), 2),
                                      factors(module_at(1, "o_proj"), 2)});
    write_small_adapter(path("alone"), {factors(module_at(0, "q_proj"), 2)});
    write_small_adapter(path("uneven"),
                        {factors(module_at(0, "q_proj"), 5), factors(module_at(1, "q_proj"), 2)});
    std::vector<SmallFactors> many;
    for (const char* name : {"q_proj", "o_proj"}) {
      for (const Index layer : {0, 1}) many.push_back(factors(module_at(layer, name), 2));
    }
    write_small_adapter(path("many"), many);
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  static std::string path(std::string_view name) { return *scratch_ / name; }

  static Outcome analyze(const Arguments& arguments) {
    Arguments all = {"analyze"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--threads", "1"});
    const Outcome outcome = run_lorry(all);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome;
  }
  static void expect_holds(const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text << "  lacks: " << words;
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> AnalyzeNotes::scratch_;

TEST_F(AnalyzeNotes, RandomDirectionsOfAModuleDoNotDependOnTheOthers) {
  const auto random_of = [](const Arguments& more) {
    Arguments arguments = {"amplification", path("two"), "--model", path("model"), "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Json json = Json::parse(analyze(arguments).out);
    for (const Json& module : json.at("modules")) {
      if (module.at("module") == module_at(1, "o_proj")) return module.at("projected_random").get<double>();
    }
    return 0.0;
  };
  const double beside_others = random_of({});
  EXPECT_GT(beside_others, 0.0);
  EXPECT_EQ(random_of({"--modules", "o_proj"}), beside_others);
  EXPECT_NE(random_of({"--seed", "2"}), beside_others);
}

TEST_F(AnalyzeNotes, AmplificationShowsTheControlsSpreadAndHowManyDirectionsOfW) {
  const Arguments arguments = {"amplification", path("alone"), "--model", path("model")};
  const std::string text = analyze(arguments).out;
  expect_holds(text, " ± ");
  // An eighth of 32.
  expect_holds(text, "layer  module            r  w ");
  expect_holds(text, "0  self_attn.q_proj  2  4 ");
  Arguments one = arguments;
  one.insert(one.end(), {"--seeds", "1"});
  EXPECT_EQ(analyze(one).out.find(" ± 0"), std::string::npos) << "one seed has no spread";
}

TEST_F(AnalyzeNotes, RanksAboveWhatThereIs) {
  const Outcome outcome =
      analyze({"amplification", path("two"), "--model", path("model"), "--rank", "3", "--weight-rank", "33"});
  expect_holds(outcome.err,
               "two: --rank 3: 3 of 3 modules have fewer directions of ΔW; all they have are taken\n");
  expect_holds(outcome.err, "two: --weight-rank 33: 3 of 3 modules have fewer directions of W");
  EXPECT_EQ(
      analyze({"amplification", path("two"), "--model", path("model"), "--rank", "2"}).err.find("--rank"),
      std::string::npos);
}

TEST_F(AnalyzeNotes, CompressSaysWhatDidNotGetSmaller) {
  expect_holds(analyze({"compress", path("two"), "--rank", "2", "--out", path("same")}).err,
               "two: --rank 2: no module gets smaller; what is written is the same update again\n");
  expect_holds(analyze({"compress", path("two"), "--energy", "1", "--out", path("all")}).err,
               "two: --energy 1: no module gets smaller");
  EXPECT_EQ(analyze({"compress", path("two"), "--rank", "1", "--out", path("less")}).err.find("--rank"),
            std::string::npos);
}

TEST_F(AnalyzeNotes, SpectrumNamesTheRanksThatThereAre) {
  expect_holds(analyze({"spectrum", path("two")}).out, "two: of rank 2, the median module uses ");
  expect_holds(analyze({"spectrum", path("uneven")}).out, "uneven: of rank 2 to 5, the median module uses ");
}

TEST_F(AnalyzeNotes, ModulesOfOneSideAreCountedAndTheFirstNamed) {
  const Outcome outcome = analyze({"similarity", path("many"), path("alone")});
  expect_holds(outcome.out,
               fmt::format("left out: 3 modules (only in the first): {}, {}, {}\n", module_at(0, "o_proj"),
                           module_at(1, "o_proj"), module_at(1, "q_proj")));
}

TEST_F(AnalyzeNotes, ChanceIsTheExpectationInTablesSentencesAndProfilesAndTheControlASample) {
  const auto compared = [](const char* seeds, const char* seed) {
    Arguments command = {"similarity", path("alone"),  path("two"), "--seeds",    seeds,
                         "--html",     path("c.html"), "--csv",     path("c.csv")};
    if (*seeds != '0') command.insert(command.end(), {"--seed", seed});
    std::string text = analyze(command).out;
    return text.substr(0, text.find("report: "));
  };
  const std::string text = compared("1", "1");
  const std::size_t row = text.find(" random ");
  ASSERT_NE(row, std::string::npos) << text;
  expect_holds(text.substr(row, text.find('\n', row) - row), "0.031  0.062");  // 1/32, 2/32
  const std::string page = io::get(path("c.html"));
  expect_holds(page, "(random: 0.03)");
  expect_holds(page, "random, layer = 0: 0.03125<");
  expect_holds(page, "random, mean of 1 seed");
  const std::string csv = io::get(path("c.csv"));
  expect_holds(csv, ",a,1,1,");
  EXPECT_EQ(csv.find(",0.03125,"), std::string::npos) << "a sample is not the expectation";
  EXPECT_EQ(compared("1", "7"), text);
  EXPECT_NE(io::get(path("c.csv")), csv);
  EXPECT_EQ(compared("0", ""), text);
}

TEST_F(AnalyzeNotes, ChanceOfAmplificationIsTheExpectation) {
  for (const char* seed : {"1", "7"}) {
    const Arguments command = {"amplification", path("alone"), "--model",    path("model"), "--seed", seed,
                               "--json",        "--csv",       path("e.csv")};
    const Json module = Json::parse(analyze(command).out).at("modules")[0];
    for (const std::string side : {"overlap_left_random", "overlap_right_random"}) {
      EXPECT_EQ(module.at(side), 4.0 / 32) << "w = 4, r = 2";
      expect_holds(io::get(path("e.csv")), fmt::format(",{},,,0.125\n", side));
    }
  }
}

TEST_F(AnalyzeNotes, OneRandomSeedHasNoSpread) {
  const auto amplification = [](const char* seeds) {
    const Arguments command = {"amplification", path("alone"), "--model", path("model"), "--seeds",
                               seeds,           "--json",      "--csv",   path("a.csv")};
    return Json::parse(analyze(command).out).at("modules")[0].at("projected_random_spread");
  };
  EXPECT_GT(amplification("2").get<double>(), 0.0);
  EXPECT_TRUE(amplification("1").is_null());
  const std::string csv = io::get(path("a.csv"));
  expect_holds(csv, ",projected_random_spread,,,\n");
  expect_holds(csv, ",weight_residual,,,0\n");
  expect_holds(csv, ",weight_singular_value,4,,");  // w, an eighth of 32
  const auto spread = [](const char* seeds) {
    const Arguments command = {"similarity", path("alone"), path("two"), "--seeds",
                               seeds,        "--json",      "--csv",     path("s.csv")};
    return Json::parse(analyze(command).out).at("controls")[0].at("spread");
  };
  EXPECT_GT(spread("2")[0][0].get<double>(), 0.0);
  EXPECT_TRUE(spread("1").is_null());
  const std::string phi = io::get(path("s.csv"));
  EXPECT_EQ(phi[phi.find('\n', phi.find('\n') + 1) - 1], ',') << phi.substr(0, 300);
}

TEST_F(AnalyzeNotes, AdaptersOfOneSeedShareTheirStart) {
  const auto record = [](const char* name, const std::string& yaml) {
    io::put(path(name) + "/train.yaml", yaml);
  };
  const auto said = [] {
    return analyze({"similarity", path("two"), path("alone")}).out.find("both trained from seed 7") !=
           std::string::npos;
  };
  EXPECT_FALSE(said());
  record("two", "seed: 7\nrank: 2\n");
  EXPECT_FALSE(said());
  record("alone", "rank: 2\nseed: 7\n");
  EXPECT_TRUE(said());
  record("alone", "rank: 2\nseed: 8\n");
  EXPECT_FALSE(said());
  record("alone", "seed: 7\ntarget_modules: q_proj\n");
  EXPECT_FALSE(said()) << "layers draw one after another";
  record("alone", "seed: 7\ninit_lora_weights: pissa\n");
  EXPECT_FALSE(said()) << "it began with a part of W";
  record("alone", "seed: 7\nadapter: other\n");
  EXPECT_FALSE(said()) << "it began elsewhere";
  record("alone", ": [ not a mapping");
  EXPECT_FALSE(said());
}

TEST_F(AnalyzeNotes, TableAndSentenceRoundRanksTheSameWay) {
  // 2 and 3 hold 90 %, so the median is 2.5.
  SmallFactors flat = factors(module_at(1, "q_proj"), 3);
  for (Index k = 0; k < 3; ++k) flat.a[static_cast<std::size_t>(k)] = unit_row(32, k);
  write_small_adapter(path("half"), {factors(module_at(0, "q_proj"), 3), flat});
  const std::string text = analyze({"spectrum", path("half")}).out;
  expect_holds(text, "and rank 3 holds 90 % of its update; rank 3 does so in every module.");
  const std::size_t row = text.find("median");
  ASSERT_NE(row, std::string::npos) << text;
  const std::string line = text.substr(row, text.find('\n', row) - row);
  EXPECT_EQ(line.back(), '3') << line;
}

}  // namespace
}  // namespace lorry::cli
