// `lorry analyze` on adapters whose directions are known: numbers, fields, files, tables.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "cli/version.hpp"
#include "io/io_support.hpp"
#include "io/safetensors.hpp"

namespace lorry::cli {
namespace {

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr const char* kQuery = "model.layers.0.self_attn.q_proj";  // [32,32] of the tiny model
constexpr const char* kDown = "model.layers.1.mlp.down_proj";      // [32,64]

/// ΔW with singular values 2, 1, 0.5 from inputs `in` to outputs `out`, the first `rank` of them.
SmallFactors known_update(const std::string& module, Index inputs, Index rank, Index in, Index out) {
  return halving_update(module, inputs, rank, in, out, 2.0F);
}

/// Adapters on both modules: "one" is the top direction of "three"; "other" shares nothing with it; "zero"
/// has B = 0; "partial" lacks the second module; and "tuned" is the model with "three" merged into it.
class Analyze : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<io::ScratchFolder>();
    make_tiny_model(path("parts"), path("model"));
    write_small_adapter(path("one"), {known_update(kQuery, 32, 1, 0, 5), known_update(kDown, 64, 1, 0, 5)});
    write_small_adapter(path("three"), {known_update(kQuery, 32, 3, 0, 5), known_update(kDown, 64, 3, 0, 5)});
    write_small_adapter(path("other"),
                        {known_update(kQuery, 32, 2, 8, 12), known_update(kDown, 64, 2, 8, 12)});
    SmallFactors zero = known_update(kQuery, 32, 2, 0, 5);
    zero.b = unit_columns(32, {0, 1}, {0.0F, 0.0F});
    write_small_adapter(path("zero"), {zero, known_update(kDown, 64, 2, 0, 5)});
    write_small_adapter(path("partial"), {known_update(kQuery, 32, 1, 0, 5)});
    const Outcome merged = run_lorry({"merge", "--model", path("model"), "--adapter", path("three"), "--out",
                                      path("tuned"), "--threads", "1"});
    ASSERT_EQ(merged.code, 0) << merged.err;
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string path(std::string_view name) { return *scratch_ / name; }

  static Outcome analyze(const Arguments& arguments) {
    Arguments all = {"analyze"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    all.insert(all.end(), {"--threads", "1"});
    const Outcome outcome = run_lorry(all);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out.find("nan"), std::string::npos) << outcome.out;
    return outcome;
  }
  static Json report(Arguments arguments) {
    arguments.emplace_back("--json");
    return Json::parse(analyze(arguments).out, nullptr, false);
  }
  /// The only entry for `module`.
  static Json module_of(const Json& json, const std::string& module) {
    Json found;
    for (const Json& entry : json.at("modules")) {
      if (entry.at("module") != module) continue;
      EXPECT_TRUE(found.is_null()) << "twice: " << module;
      found = entry;
    }
    EXPECT_FALSE(found.is_null()) << module;
    return found;
  }
  static void expect_grid(const Json& grid, const std::vector<std::vector<double>>& wanted) {
    ASSERT_EQ(grid.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(grid[i].size(), wanted[i].size());
      for (std::size_t j = 0; j < wanted[i].size(); ++j) {
        EXPECT_NEAR(grid[i][j].get<double>(), wanted[i][j], 1e-12) << i << ", " << j;
      }
    }
  }

  static std::unique_ptr<io::ScratchFolder> scratch_;
};

std::unique_ptr<io::ScratchFolder> Analyze::scratch_;

TEST_F(Analyze, SimilarityOfATopDirectionIsOneInItsRow) {
  const Json json = report({"similarity", path("one"), path("three")});
  ASSERT_EQ(json.at("modules").size(), 2U);
  for (const char* name : {kQuery, kDown}) {
    const Json module = module_of(json, name);
    EXPECT_EQ(module.at("adapter_1"), path("one"));
    EXPECT_EQ(module.at("adapter_2"), path("three"));
    EXPECT_EQ(module.at("rank_1"), 1);
    EXPECT_EQ(module.at("rank_2"), 3);
    // Row i - 1 is of the first adapter, column j - 1 of the second.
    for (const char* space : {"a", "row", "column"}) {
      expect_grid(module.at(std::string("phi_") + space), {{1, 1, 1}});
      expect_grid(module.at(std::string("distance_") + space), {{0, 0, 0}});
    }
    // B's columns have equal lengths: which of them is first is not determined.
    EXPECT_EQ(module.at("ties_b"), Json({{"i", Json::array()}, {"j", {1, 2}}}));
    EXPECT_EQ(module.at("ties_a"), Json({{"i", Json::array()}, {"j", Json::array()}}));
    EXPECT_TRUE(module.at("note") == "equal singular values in B") << module.at("note");
  }
  const Json turned = module_of(report({"similarity", path("three"), path("one")}), kDown);
  expect_grid(turned.at("phi_row"), {{1}, {1}, {1}});
}

TEST_F(Analyze, SimilarityOfOrthogonalAdaptersIsZero) {
  const Json module = module_of(report({"similarity", path("three"), path("other")}), kQuery);
  for (const char* space : {"phi_a", "phi_b", "phi_row", "phi_column"}) {
    expect_grid(module.at(space), {{0, 0}, {0, 0}, {0, 0}});
  }
  EXPECT_NEAR(module.at("distance_row")[2][1].get<double>(), std::sqrt(2.0), 1e-12);
}

TEST_F(Analyze, EveryPairIsComparedWithItsControl) {
  const Json json = report(
      {"similarity", path("one"), path("three"), path("other"), "--modules", "q_proj", "--seeds", "3"});
  ASSERT_EQ(json.at("modules").size(), 3U);
  EXPECT_EQ(json.at("modules")[1].at("adapter_2"), path("other"));
  EXPECT_EQ(json.at("modules")[2].at("adapter_1"), path("three"));
  const Json control = json.at("controls").at(json.at("modules")[2].at("control_row").get<std::size_t>());
  EXPECT_EQ(control.at("dimension"), 32);
  EXPECT_EQ(control.at("seeds"), 3);
  EXPECT_EQ(control.at("mean").size(), 3U);
  EXPECT_NEAR(control.at("expectation")[2][1].get<double>(), 3.0 / 32, 1e-15);
  EXPECT_TRUE(report({"similarity", path("one"), path("three"), "--seeds", "0"}).at("controls").empty());
}

TEST_F(Analyze, ModulesOfOneSideAloneAreNamed) {
  const Json json = report({"similarity", path("three"), path("partial")});
  ASSERT_EQ(json.at("modules").size(), 1U);
  ASSERT_EQ(json.at("skipped").size(), 1U);
  EXPECT_EQ(json.at("skipped")[0].at("module"), kDown);
  EXPECT_EQ(json.at("skipped")[0].at("reason"), "only in the first");
  const Outcome outcome = analyze({"similarity", path("three"), path("partial")});
  EXPECT_NE(outcome.out.find(fmt::format("left out: {} (only in the first)\n", kDown)), std::string::npos)
      << outcome.out;
}

TEST_F(Analyze, SpectrumHasTheSingularValuesAndWhatTheySay) {
  const Json module = module_of(report({"spectrum", path("three"), "--energy", "0.9"}), kDown);
  ASSERT_EQ(module.at("singular_values").size(), 3U);
  for (const std::size_t k : {0U, 1U, 2U}) {
    EXPECT_NEAR(module.at("singular_values")[k].get<double>(), 2.0 / (1 << k), 1e-12);
  }
  EXPECT_NEAR(module.at("delta_norm").get<double>(), std::sqrt(5.25), 1e-12);
  EXPECT_NEAR(module.at("stable_rank").get<double>(), 5.25 / 4, 1e-12);
  const double entropy =
      -(4.0 / 7 * std::log(4.0 / 7) + 2.0 / 7 * std::log(2.0 / 7) + 1.0 / 7 * std::log(1.0 / 7));
  EXPECT_NEAR(module.at("effective_rank").get<double>(), std::exp(entropy), 1e-12);
  EXPECT_NEAR(module.at("top_share").get<double>(), 4 / 5.25, 1e-12);
  EXPECT_NEAR(module.at("energy")[1].get<double>(), 5 / 5.25, 1e-12);
  EXPECT_EQ(module.at("sufficient_rank"), 2);
  EXPECT_EQ(module.at("rank"), 3);
  EXPECT_TRUE(module.at("note").is_null());
}

TEST_F(Analyze, AZeroUpdateIsAWordAndNeverANumber) {
  const Json spectrum = module_of(report({"spectrum", path("zero")}), kQuery);
  EXPECT_EQ(spectrum.at("delta_norm"), 0.0);
  for (const char* field : {"stable_rank", "effective_rank", "top_share", "sufficient_rank"}) {
    EXPECT_TRUE(spectrum.at(field).is_null()) << field;
  }
  EXPECT_NE(spectrum.at("note").get<std::string>().find("ΔW is zero"), std::string::npos);
  const Json similarity = module_of(report({"similarity", path("three"), path("zero")}), kQuery);
  EXPECT_TRUE(similarity.at("phi_row").is_null());
  EXPECT_TRUE(similarity.at("phi_b").is_null());
  expect_grid(similarity.at("phi_a"), {{1, 1}, {1, 1}, {1, 1}});
  EXPECT_NE(similarity.at("note").get<std::string>().find("in the second, ΔW is zero"), std::string::npos);
  const Json amplification =
      module_of(report({"amplification", path("zero"), "--model", path("model")}), kQuery);
  for (const char* field : {"projected_delta", "projected_random", "amplification", "phi_left"}) {
    EXPECT_TRUE(amplification.at(field).is_null()) << field;
  }
  const Outcome table = analyze({"spectrum", path("zero")});
  EXPECT_NE(table.out.find("ΔW is zero"), std::string::npos) << table.out;
}

TEST_F(Analyze, AmplificationIsTheUpdateOverTheSameBlockOfTheWeight) {
  const io::SafetensorsFile file(path("model") + "/model.safetensors");
  const io::TensorView tensor = file.at(std::string(kQuery) + ".weight");
  const auto* weight = reinterpret_cast<const float*>(tensor.bytes.data());
  double block = 0;
  double all = 0;
  for (int o = 0; o < 32; ++o) {
    for (int i = 0; i < 32; ++i) {
      const double square = std::pow(static_cast<double>(weight[o * 32 + i]), 2);
      all += square;
      if (o >= 5 && o < 8 && i < 3) block += square;
    }
  }
  const Json module = module_of(report({"amplification", path("three"), "--model", path("model")}), kQuery);
  EXPECT_EQ(module.at("directions"), 3);
  EXPECT_NEAR(module.at("weight_norm").get<double>(), std::sqrt(all), 1e-5);
  EXPECT_NEAR(module.at("projected_delta").get<double>(), std::sqrt(block), 1e-6);
  EXPECT_NEAR(module.at("amplification").get<double>(), std::sqrt(5.25 / block), 1e-4);
  EXPECT_GT(module.at("projected_weight").get<double>(), module.at("projected_random").get<double>());
  EXPECT_EQ(module.at("phi_left").at(0).size(), 3U);
  const Json two = module_of(
      report({"amplification", path("three"), "--model", path("model"), "--rank", "2", "--weight-rank", "7"}),
      kQuery);
  EXPECT_EQ(two.at("directions"), 2);
  EXPECT_EQ(two.at("phi_right").size(), 7U);
}

TEST_F(Analyze, AWeightOfZerosIsAWordAndNeverANumber) {
  std::filesystem::copy(path("model"), path("blank"));
  const std::string name = path("blank") + "/model.safetensors";
  std::string bytes = io::get(name);
  {
    const io::SafetensorsFile file(name);
    const std::span<const std::byte> down = file.at(std::string(kDown) + ".weight").bytes;
    const auto at = static_cast<std::size_t>(down.data() - file.mapping()->bytes().data());
    bytes.replace(at, down.size(), std::string(down.size(), '\0'));
  }
  io::put(name, bytes);
  const Arguments command = {"amplification", path("three"), "--model",
                             path("blank"),   "--modules",   "down_proj"};
  const Json module = module_of(report(command), kDown);
  EXPECT_TRUE(module.at("amplification").is_null());
  EXPECT_EQ(module.at("projected_random"), 0.0);
  EXPECT_TRUE(module.at("phi_left").is_null());
  EXPECT_EQ(module.at("note"), "W is zero in ΔW's directions: no amplification factor");
  const Outcome table = analyze(command);
  EXPECT_NE(table.out.find("three: W is zero in all directions of ΔW."), std::string::npos) << table.out;
  EXPECT_EQ(table.out.find("inf"), std::string::npos) << table.out;
}

TEST_F(Analyze, AFullFineTuneIsItsDifferenceToTheBase) {
  const Json json = report({"spectrum", path("tuned"), "--model", path("model")});
  EXPECT_EQ(json.at("modules").size(), 2U * 7 + 1);
  const Json module = module_of(json, kDown);
  EXPECT_NEAR(module.at("singular_values")[2].get<double>(), 0.5, 1e-5);
  const Json similarity =
      module_of(report({"similarity", path("tuned"), path("three"), "--model", path("model")}), kDown);
  EXPECT_TRUE(similarity.at("phi_a").is_null());
  EXPECT_NEAR(similarity.at("phi_row")[2][2].get<double>(), 1, 1e-9);
}

TEST_F(Analyze, CompressKeepsTheTopDirections) {
  const Json json = report({"compress", path("three"), "--rank", "1", "--out", path("smaller")});
  EXPECT_NEAR(json.at("relative_error").get<double>(), std::sqrt(1.25 / 5.25), 1e-6);
  EXPECT_EQ(json.at("parameters_before"), 3 * (32 + 32) + 3 * (32 + 64));
  EXPECT_EQ(json.at("parameters"), 32 + 32 + 32 + 64);
  const Json module = module_of(json, kQuery);
  EXPECT_EQ(module.at("rank_before"), 3);
  EXPECT_EQ(module.at("rank"), 1);
  const Json spectrum = module_of(report({"spectrum", path("smaller")}), kQuery);
  ASSERT_EQ(spectrum.at("singular_values").size(), 1U);
  EXPECT_NEAR(spectrum.at("singular_values")[0].get<double>(), 2, 1e-6);
}

TEST_F(Analyze, AnAdapterIsExtractedFromAFullFineTune) {
  const Outcome outcome = analyze({"compress", path("tuned"), "--model", path("model"), "--modules", "q_proj",
                                   "--rank", "2", "--out", path("extracted")});
  EXPECT_NE(outcome.out.find("adapter: " + path("extracted")), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(
                fmt::format("/lorry eval --model {} --adapter {} --data", path("model"), path("extracted"))),
            std::string::npos)
      << outcome.out;
  const Json module = module_of(report({"similarity", path("extracted"), path("three")}), kQuery);
  EXPECT_NEAR(module.at("phi_row")[1][1].get<double>(), 1, 1e-9);
}

TEST_F(Analyze, TablesHaveModulesLayersTypesAndMedians) {
  const Outcome outcome = analyze({"spectrum", path("three"), path("one")});
  for (const char* words :
       {"three (LoRA, rank 3, 2 modules)", "one (LoRA, rank 1, 2 modules)", "self_attn.q_proj", "median",
        "median per layer", "median per module type", "effective rank", "rank 2 holds 90 %"}) {
    EXPECT_NE(outcome.out.find(words), std::string::npos) << words << "\n" << outcome.out;
  }
  const Outcome similarity = analyze({"similarity", path("one"), path("other")});
  EXPECT_NE(similarity.out.find("random"), std::string::npos) << similarity.out;
  EXPECT_NE(similarity.out.find("1|2"), std::string::npos) << similarity.out;
}

TEST_F(Analyze, CsvHasANumberPerRow) {
  analyze({"similarity", path("one"), path("three"), "--modules", "q_proj", "--csv", path("phi.csv")});
  const std::string phi = io::get(path("phi.csv"));
  EXPECT_EQ(phi.substr(0, phi.find('\n')),
            "adapter_1,adapter_2,module,layer,type,space,i,j,phi,distance,tied,control_mean,control_spread");
  EXPECT_EQ(std::count(phi.begin(), phi.end(), '\n'), 1 + 4 * 3);
  EXPECT_NE(phi.find(fmt::format("\n{},{},{},0,self_attn.q_proj,row,1,2,1,0,no,", path("one"), path("three"),
                                 kQuery)),
            std::string::npos)
      << phi;
  analyze({"spectrum", path("three"), "--csv", path("spectrum.csv")});
  EXPECT_NE(io::get(path("spectrum.csv"))
                .find(fmt::format("{},{},1,mlp.down_proj,sufficient_rank,,2\n", path("three"), kDown)),
            std::string::npos);
  analyze({"amplification", path("three"), "--model", path("model"), "--csv", path("amplification.csv")});
  const std::string factors = io::get(path("amplification.csv"));
  EXPECT_NE(factors.find("0,self_attn.q_proj,amplification,,,"), std::string::npos) << factors;
  EXPECT_NE(factors.find("1,mlp.down_proj,phi_left,1,3,"), std::string::npos);
}

TEST_F(Analyze, PagesSayHowTheyWereMade) {
  const std::vector<Arguments> commands = {
      {"similarity", path("one"), path("three"), path("zero")},
      {"spectrum", path("three"), path("zero")},
      {"amplification", path("three"), path("zero"), "--model", path("model")}};
  for (const Arguments& command : commands) {
    Arguments all = command;
    all.insert(all.end(), {"--html", path("page.html")});
    const Outcome outcome = analyze(all);
    EXPECT_NE(outcome.out.find("report: " + path("page.html")), std::string::npos) << outcome.out;
    const std::string page = io::get(path("page.html"));
    EXPECT_EQ(page.substr(0, 15), "<!DOCTYPE html>");
    for (const std::string& words :
         {std::string("How this was made"),
          fmt::format("lorry analyze {} {}", command[0], path(command[1].substr(command[1].rfind('/') + 1))),
          fmt::format("Lorry {}", version()), std::string(kQuery), std::string("ΔW is zero"),
          std::string("<svg")}) {
      EXPECT_NE(page.find(words), std::string::npos) << command[0] << ": " << words;
    }
    EXPECT_EQ(page.find(">nan<"), std::string::npos);
    // Nothing is fetched: the only address is the name of the SVG language.
    EXPECT_EQ(page.find("src="), std::string::npos);
    EXPECT_EQ(page.find("href=\"http"), std::string::npos);
  }
}

TEST_F(Analyze, ChartsAreFilesWithNamesThatTell) {
  const auto names = [](const Arguments& command, const std::string& folder) {
    Arguments all = command;
    all.insert(all.end(), {"--svg", path(folder)});
    const Outcome outcome = analyze(all);
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path(folder))) {
      found.push_back(entry.path().filename());
      EXPECT_EQ(io::get(entry.path()).find("nan"), std::string::npos) << entry.path();
    }
    std::sort(found.begin(), found.end());
    EXPECT_NE(outcome.out.find(fmt::format("charts: {} ({} files)", path(folder), found.size())),
              std::string::npos)
        << outcome.out;
    return found;
  };
  const auto similarity =
      names({"similarity", path("one"), path("three"), "--modules", "q_proj"}, "similarity-svg");
  for (const char* name : {"model.layers.0.self_attn.q_proj-phi_row.svg", "profile-row_top.svg",
                           "model.layers.0.self_attn.q_proj-phi_row-triangle.svg", "control-1x3-in-32.svg"}) {
    EXPECT_TRUE(std::binary_search(similarity.begin(), similarity.end(), name)) << name;
  }
  EXPECT_EQ(names({"spectrum", path("three"), "--modules", "q_proj"}, "spectrum-svg").size(), 6U + 2);
  const auto factors = names({"amplification", path("three"), "--model", path("model")}, "amplification-svg");
  EXPECT_TRUE(
      std::binary_search(factors.begin(), factors.end(), "model.layers.1.mlp.down_proj-phi_left.svg"));
}

}  // namespace
}  // namespace lorry::cli
