// The X-ray of real runs: what it logs, and that its advice follows from what the run was.
#include "train/xray.hpp"

#include <algorithm>

#include "io/safetensors.hpp"
#include "train/advice.hpp"
#include "train/run_fixture.hpp"

namespace lorry::train {
namespace {

class XrayRun : public Run {
 protected:
  /// Trains with these options and measures every `every` steps.
  std::vector<XrayReport> history(Index every) {
    Xray xray(every, {});
    run_training(options_, {.monitor = [&](const LiveRun& run) { xray.look(run); }});
    return xray.history();
  }
  std::vector<io::Json> lines_with(const char* key) const {
    std::vector<io::Json> found;
    for (const io::Json& line : log()) {
      if (line.contains(key)) found.push_back(line);
    }
    return found;
  }
};

bool holds(const std::vector<Advice>& advice, AdviceKind kind) {
  return std::any_of(advice.begin(), advice.end(), [kind](const Advice& one) { return one.kind == kind; });
}

TEST_F(XrayRun, LogsEveryModuleAtEachMeasurementAndAdviceAtTheEnd) {
  options_.steps = 7;
  const std::vector<XrayReport> reports = history(3);
  ASSERT_EQ(reports.size(), 3U);
  const std::vector<io::Json> lines = lines_with("xray");
  ASSERT_EQ(lines.size(), 3U);
  const std::vector<Index> steps = {3, 6, 7};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(reports[i].step, steps[i]);
    EXPECT_EQ(lines[i].at("step"), steps[i]);
    ASSERT_EQ(lines[i].at("xray").size(), 35U);  // seven maps of five layers
    for (const io::Json& module : lines[i].at("xray")) {
      EXPECT_GT(module.at("delta_norm"), 0.0);
      EXPECT_GT(module.at("amplification"), 0.0);
      EXPECT_GE(module.at("effective_rank"), 1.0);
      EXPECT_LE(module.at("effective_rank"), 8.0);
      EXPECT_EQ(module.at("settled").is_null(), i == 0) << "nothing to compare the first one with";
    }
  }
  EXPECT_EQ(lines[0].at("xray")[0].at("module"), "model.layers.0.self_attn.q_proj");
  ASSERT_EQ(lines_with("advice").size(), 1U);
  EXPECT_EQ(lines_with("advice")[0].at("step"), 7);
  EXPECT_EQ(lines_with("advice")[0].at("advice").at(0).at("kind"), "too_short");
}

TEST_F(XrayRun, ChangesNothing) {
  run_training(options_, {});
  const std::string without = get(options_.out / "adapter_model.safetensors");
  options_.out = folder_ / "seen";
  history(1);
  EXPECT_EQ(get(options_.out / "adapter_model.safetensors"), without);
}

TEST(Xray, ModulesThatAreNotFiniteAreSaidAndNoAdviceIsGiven) {
  XrayModule fine{.figures = {.module = "q_proj", .delta_norm = 1, .effective_rank = 1, .sufficient_rank = 1},
                  .rank = 64,
                  .inputs = 64,
                  .outputs = 64};
  XrayReport report{.step = 50, .modules = {fine, fine}};
  EXPECT_TRUE(holds(advise(std::vector{report}), AdviceKind::kRankTooLarge));
  report.modules[1].figures = {.module = "v_proj", .finite = false};
  EXPECT_TRUE(advise(std::vector{report}).empty());
  const io::OrderedJson line = to_json(report);
  EXPECT_EQ(line.at("xray")[1].at("finite"), false);
  EXPECT_TRUE(line.at("xray")[1].at("delta_norm").is_null());
  EXPECT_EQ(line.at("xray")[0].at("delta_norm"), 1.0);
}

TEST_F(XrayRun, DirectionsStillMoveAtAConstantRateAndSettleAsItFalls) {
  options_.steps = 40;
  options_.lr_scheduler = optim::ScheduleKind::kConstant;
  EXPECT_TRUE(holds(advise(history(20)), AdviceKind::kStillMoving));
  options_.out = folder_ / "falling";
  options_.lr_scheduler = optim::ScheduleKind::kLinear;
  EXPECT_FALSE(holds(advise(history(20)), AdviceKind::kStillMoving));
}

TEST_F(XrayRun, ModulesThatNoGradientReachesLearnedNothing) {
  // With a zero o_proj that does not train, what the attention of that layer does has no effect.
  const std::filesystem::path model = folder_ / "model";
  std::filesystem::copy(options_.model, model);
  std::string bytes = get(model / "model.safetensors");
  {
    const io::SafetensorsFile file(model / "model.safetensors");
    const io::TensorView& tensor = file.at("model.layers.2.self_attn.o_proj.weight");
    const auto begin = static_cast<std::size_t>(tensor.bytes.data() - file.mapping()->bytes().data());
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(begin), tensor.bytes.size(), '\0');
  }
  put(model / "model.safetensors", bytes);
  options_.model = model;
  options_.lora.target_modules = model::parse_target_modules("q_proj,k_proj,v_proj,down_proj");
  options_.steps = 24;
  const std::vector<Advice> advice = advise(history(12));
  ASSERT_TRUE(holds(advice, AdviceKind::kLearnedNothing));
  EXPECT_EQ(advice[0].modules,
            (std::vector<std::string>{"model.layers.2.self_attn.q_proj", "model.layers.2.self_attn.k_proj",
                                      "model.layers.2.self_attn.v_proj"}));
}

TEST_F(XrayRun, ARunThatLearnedNothingIsNotToldToRaiseItsRank) {
  // B is next to nothing, so B A keeps the directions of the random A, all of them.
  options_.steps = 30;
  options_.lora.r = 2;
  options_.lr = 1e-7;
  std::vector<Advice> advice = advise(history(10));
  EXPECT_FALSE(holds(advice, AdviceKind::kRankTooSmall));
  EXPECT_TRUE(holds(advice, AdviceKind::kLearnedNothing));
  EXPECT_TRUE(holds(advice, AdviceKind::kNoProgress));
  // A rate far too high moves the weights, but the loss is no better for it.
  options_.out = folder_ / "wild";
  options_.lr = 1;
  advice = advise(history(10));
  EXPECT_FALSE(holds(advice, AdviceKind::kRankTooSmall));
  EXPECT_TRUE(holds(advice, AdviceKind::kNoProgress));
}

TEST_F(XrayRun, ASmallRankIsFullAndALargeOneIsNot) {
  options_.steps = 30;
  options_.lora.r = 2;
  EXPECT_TRUE(holds(advise(history(10)), AdviceKind::kRankTooSmall));
  options_.out = folder_ / "large";
  options_.lora.r = 64;
  EXPECT_TRUE(holds(advise(history(10)), AdviceKind::kRankTooLarge));
}

}  // namespace
}  // namespace lorry::train
