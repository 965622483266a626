// The page of a run from its log; in a browser it was looked at by eye. That it is well-formed and what a
// real run puts on it: tests/cli/observation_test.cpp.
#include "train/run_page.hpp"

#include <gtest/gtest.h>

#include "core/index.hpp"
#include "io/io_support.hpp"
#include "train/run_charts.hpp"

namespace lorry::train {
namespace {

std::vector<io::OrderedJson> many_steps(Index steps) {
  std::vector<io::OrderedJson> log;
  for (Index step = 1; step <= steps; ++step) {
    log.push_back({{"step", step}, {"loss", step % 2 == 0 ? 1.0 : 3.0}, {"lr", 0.5}});
  }
  return log;
}

Index times_of(const std::string& text, std::string_view what) {
  Index found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

TEST(RunCharts, ManyStepsAreDrawnAsMeansWithTheirDeviation) {
  const RunCharts few = run_charts(many_steps(200));
  ASSERT_EQ(few.training.size(), 2U);  // loss and learning rate
  EXPECT_EQ(few.note, "");
  EXPECT_EQ(times_of(few.training[0], "<title>training, step = "), 100);  // every other point can be hovered
  const RunCharts many = run_charts(many_steps(1000));
  EXPECT_NE(many.note.find("means of 10 steps"), std::string::npos) << many.note;
  EXPECT_EQ(times_of(many.training[0], "<title>training, step = "), 100);
  EXPECT_EQ(times_of(many.training[0], ": 2.000 ± 1.0<"), 100);
  EXPECT_EQ(times_of(many.training[1], " ± "), 0) << "the learning rate has no noise";
}

TEST(RunPage, ALogThatWasCutShortAndHoldsOtherLinesIsReadAsFarAsItGoes) {
  const io::ScratchFolder folder;
  io::put(folder / "log.jsonl",
          "{\"step\": 1, \"loss\": 2}\n[]\n{\"step\": 2, \"advice\": []}\n{\"step\": 3, \"lo");
  const std::vector<io::OrderedJson> log = read_log(folder / "log.jsonl");
  ASSERT_EQ(log.size(), 2U);
  EXPECT_EQ(log[1].at("step"), 2);
  const std::string page = run_page({.title = "t <x>"}, log);
  EXPECT_NE(page.find("<h1>t &lt;x&gt;</h1>"), std::string::npos);
  EXPECT_EQ(page.find(">X-ray<"), std::string::npos);
  EXPECT_NE(page.find("None: --sample-prompts"), std::string::npos);
}

}  // namespace
}  // namespace lorry::train
