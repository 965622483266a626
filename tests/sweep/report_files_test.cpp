// Tables, JSON and files of a sweep whose figures are known.
#include "sweep/report_files.hpp"

#include <cstdio>

#include "sweep/charts.hpp"
#include "sweep/sweep_fixture.hpp"
#include "sweep/tables.hpp"

namespace lorry::sweep {
namespace {

class SweepReportFiles : public Sweep {
 protected:
  /// Works out `request` and gives cell i the held-out loss 1 + i / 8.
  void make(const Request& request) {
    train::RunInputs inputs = open();
    plan_ = make_plan(request, *inputs.model.decoder);
    results_.assign(plan_.cells.size(), std::nullopt);
    for (std::size_t i = 0; i < results_.size(); ++i) {
      CellResult& result = results_[i].emplace();
      result.held_out = {{0, 4.0}, {3, 1.0 + static_cast<double>(i) / 8}};
      result.training = {{3, 1.0}};
      result.tokens_per_second = 1000;
      result.seconds = 2;
    }
  }
  [[nodiscard]] std::vector<RowSummary> rows() const { return summarise(plan_, results_); }
  [[nodiscard]] Request by_rank() const {
    return Sweep::request(
        {lora("q_proj", 1), lora("q_proj", 4), lora("q_proj,v_proj", 1), lora("q_proj,v_proj", 4), full()},
        {1, 2});
  }

  Plan plan_;
  Results results_;
};

TEST_F(SweepReportFiles, RankTableIsTable6) {
  make(by_rank());
  const std::vector<report::Table> tables = rank_tables(plan_, rows());
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].to_csv(),
            "weights,r = 1,r = 4,every weight\n"
            "q_proj,1.0625,1.3125,\n"
            "\"q_proj,v_proj\",1.5625,1.8125,\n"
            "full,,,2.0625\n");
  const std::string text = tables[0].to_text();
  EXPECT_NE(text.find("1.0625 ± 0.0884 *"), std::string::npos) << text;
  EXPECT_EQ(text.find('*'), text.rfind('*'));
  EXPECT_EQ(tables[1].to_csv(),
            "weights,r = 1,r = 4,every weight\n"
            "q_proj,128,512,\n"
            "\"q_proj,v_proj\",224,896,\n"
            "full,,,35232\n");
  EXPECT_FALSE(budget_table(plan_, rows()).has_value());
}

TEST_F(SweepReportFiles, AMeasureHasTheSameDigitsEverywhere) {
  make(Sweep::request({lora("q_proj", 1), lora("q_proj", 4)}, {1, 2, 3}));
  for (std::size_t i = 0; i < results_.size(); ++i) {
    results_[i]->held_out.back().loss = 1.0 / 3.0 + static_cast<double>(i * i) / 7;
    results_[i]->tokens_per_second = 1234.5678;
  }
  write_report(folder_.path(), plan_, results_);
  const std::string csv = io::get(folder_ / "report.csv");
  EXPECT_NE(csv.find(",0.5714,1.83,"), std::string::npos) << csv;  // mean of 1/3, 1/3 + 1/7, 1/3 + 4/7
  EXPECT_NE(csv.find(",1235\n"), std::string::npos) << csv;
  for (const std::string& text :
       {report_text(plan_, results_), io::get(folder_ / "report.md"), io::get(folder_ / "report.html")}) {
    EXPECT_NE(text.find("0.5714 ± 0.2974"), std::string::npos) << text;
    EXPECT_NE(text.find("1.83 ± 0.57"), std::string::npos) << text;
  }
}

TEST_F(SweepReportFiles, BudgetTableIsTable5) {
  Request request = Sweep::request({lora("q_proj"), lora("v_proj"), full()}, {1, 2});
  request.budget = Budget{.parameters = 1024, .rank = 8, .target_modules = {}};
  make(request);
  const auto table = budget_table(plan_, rows());
  ASSERT_TRUE(table.has_value());
  const std::string csv = table->to_csv();
  EXPECT_EQ(csv.substr(0, csv.find("perplexity")),
            "weights,q_proj,v_proj,full\n"
            "rank,8,11,\n"
            "alpha,8,8,\n"
            "parameters,1024,1056,35232\n"
            "held-out loss,1.0625,1.3125,1.5625\n");
  EXPECT_TRUE(rank_tables(plan_, rows()).empty());
  EXPECT_EQ(rules_text(plan_).substr(0, 94),
            "The rank of each LoRA row is the whole number that brings it nearest to the budget of 1024 tra");
  EXPECT_NE(rules_text(plan_).find(": 8, the first rank tried"), std::string::npos) << rules_text(plan_);
  request.budget =
      Budget{.parameters = {}, .rank = 3, .target_modules = model::parse_target_modules("q_proj,v_proj")};
  make(request);
  EXPECT_NE(rules_text(plan_).find(": 3, the rank that the budget names"), std::string::npos)
      << rules_text(plan_);
}

TEST_F(SweepReportFiles, OneSeedHasNoSpreadAndNoNumberIsNan) {
  make(Sweep::request({lora("q_proj", 1), lora("q_proj", 4)}));
  results_[1]->failure = "[train] step 2: loss nan";
  const io::OrderedJson json = report_json(plan_, results_);
  EXPECT_TRUE(json["rows"][0]["eval_loss"]["deviation"].is_null());
  EXPECT_EQ(json["rows"][0]["eval_loss"]["mean"], 1.0);
  EXPECT_EQ(json["rows"][0]["eval_loss"]["n"], 1);
  EXPECT_EQ(json["rows"][0]["best"], true);
  EXPECT_TRUE(json["rows"][1]["eval_loss"].is_null());
  EXPECT_EQ(json["rows"][1]["diverged"], 1);
  write_report(folder_.path(), plan_, results_);
  for (const char* file : {"report.md", "report.csv", "cells.csv", "report.json", "report.html"}) {
    std::string text = io::get(folder_ / file);
    const std::size_t reason = text.find("loss nan");  // which is quoted
    if (reason != std::string::npos) text.erase(reason, 8);
    EXPECT_EQ(text.find("nan"), std::string::npos) << file;
  }
}

TEST_F(SweepReportFiles, JsonHasEveryCellAndItsFigures) {
  make(by_rank());
  const io::OrderedJson json = report_json(plan_, results_);
  EXPECT_EQ(json["cells"], 10);
  EXPECT_EQ(json["finished"], 10);
  const io::OrderedJson& row = json["rows"][1];
  EXPECT_EQ(row["row"], "q_proj r=4");
  EXPECT_EQ(row["settings"]["rank"], 4);
  EXPECT_FALSE(row["settings"].contains("seed"));
  EXPECT_EQ(row["seeds"], (io::OrderedJson{1, 2}));
  EXPECT_EQ(row["cells"][1], "q_proj-r4-alpha1-lr0.01-seed2");
  EXPECT_EQ(row["eval_losses"], (io::OrderedJson{1.25, 1.375}));
  EXPECT_EQ(row["eval_curve"][0]["mean"], 4.0);
}

TEST_F(SweepReportFiles, CurvesOfFewRowsShareAChartAndSinglePointsAreNone) {
  const auto names = [&] {
    std::vector<std::string> all;
    for (const Chart& chart : make_charts(plan_, rows())) all.push_back(chart.name);
    return all;
  };
  using Names = std::vector<std::string>;
  make(by_rank());
  EXPECT_EQ(names(), (Names{"held-out-by-row", "held-out-by-rank"}));
  for (auto& result : results_) {
    result->held_out = {{0, 4.0}, {2, 2.0}, {3, 1.0}};
    result->training = {{1, 3.0}, {3, 1.0}};
  }
  EXPECT_EQ(names(),
            (Names{"held-out-by-row", "held-out-by-rank", "held-out-over-steps", "training-over-steps"}));
  make(Sweep::request({lora("q_proj", 1), lora("q_proj", 2), lora("q_proj", 3), lora("q_proj", 4),
                       lora("v_proj", 1), lora("v_proj", 2), lora("v_proj", 3), lora("v_proj", 4), full()}));
  for (auto& result : results_) result->training = {{1, 3.0}, {3, 1.0}};
  EXPECT_EQ(names(), (Names{"held-out-by-row", "held-out-by-rank", "training-over-steps-1",
                            "training-over-steps-2", "training-over-steps-3"}));
}

TEST_F(SweepReportFiles, FullFineTuningHasNoPointAtARank) {
  make(by_rank());
  const std::vector<Chart> charts = make_charts(plan_, rows());
  ASSERT_EQ(charts.at(1).name, "held-out-by-rank");
  const std::string& svg = charts[1].svg;
  EXPECT_NE(svg.find("<title>q_proj, rank = 4: "), std::string::npos) << svg;
  EXPECT_EQ(svg.find("<title>full, rank"), std::string::npos) << svg;
  EXPECT_NE(svg.find("<title>full: 2.062</title>"), std::string::npos) << svg;     // of seeds 2.0 and 2.125
  EXPECT_NE(svg.find("q_proj, q_proj,v_proj, full\""), std::string::npos) << svg;  // the legend, read out
}

TEST_F(SweepReportFiles, BarsOfEqualLossesAreSeen) {
  // Without differences to show, the axis once began at the value: no bar had a height.
  const auto heights = [&] {
    const std::string svg = make_charts(plan_, rows()).front().svg;
    std::vector<double> all;
    for (std::size_t at = svg.find("class=\"bg\""); at != std::string::npos;
         at = svg.find("class=\"bg\"", at + 1)) {
      double left = 0;
      double base = 0;
      double width = 0;
      double top = 0;
      const char* path = svg.c_str() + svg.find("d=\"", at);
      EXPECT_EQ(std::sscanf(path, "d=\"M%lf %lfh%lfV%lf", &left, &base, &width, &top), 4) << path;
      all.push_back(base - top);
    }
    return all;
  };
  make(Sweep::request({lora("q_proj", 1)}));
  ASSERT_EQ(heights().size(), 1U);
  EXPECT_GT(heights()[0], 50.0);
  make(Sweep::request({lora("q_proj", 1), lora("v_proj", 1)}));
  results_[1]->held_out = results_[0]->held_out;
  ASSERT_EQ(heights().size(), 2U);
  EXPECT_GT(heights()[1], 50.0);
}

TEST_F(SweepReportFiles, AlphaIsToldWithTheRule) {
  make(by_rank());
  EXPECT_NE(report_text(plan_, results_)
                .find("Alpha is the same for every rank: 1, the first rank tried (lorry train alone would "
                      "take 16)"),
            std::string::npos)
      << report_text(plan_, results_);
  Request request = by_rank();
  request.rows[1].exact_alpha = 3;
  make(request);
  EXPECT_NE(rules_text(plan_).find("grows. Rows that name an alpha of their own keep it."), std::string::npos)
      << rules_text(plan_);
  for (std::size_t i = 0; i < 4; ++i) request.rows[i].exact_alpha = 3 + i;
  make(request);
  EXPECT_EQ(rules_text(plan_), "Every LoRA row has an alpha of its own.");
}

TEST_F(SweepReportFiles, FilesAreThereBeforeTheFirstCellAndRenewed) {
  make(by_rank());
  const Results all = std::exchange(results_, Results(plan_.cells.size()));
  write_report(folder_.path(), plan_, results_);
  EXPECT_NE(io::get(folder_ / "report.md").find("0 of 10 finished"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "held-out-by-row.svg"));
  write_report(folder_.path(), plan_, all);
  const std::string markdown = io::get(folder_ / "report.md");
  EXPECT_NE(markdown.find("10 of 10 finished"), std::string::npos);
  EXPECT_NE(markdown.find("(held-out-by-rank.svg)"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "held-out-by-row.svg"));
  const std::string csv = io::get(folder_ / "cells.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 11);
}

TEST_F(SweepReportFiles, ChartsOfAnEarlierPlanAreRemovedAndNothingElse) {
  make(by_rank());
  write_report(folder_.path(), plan_, results_);
  for (const char* name : {"training-over-steps-12.svg", "held-out-over-steps.svg", "mine.svg",
                           "held-out-by-row-mine.svg", "training-over-steps-.svg", "held-out-by-rank.txt"}) {
    io::put(folder_ / name, "");
  }
  make(Sweep::request({lora("q_proj", 1)}));
  write_report(folder_.path(), plan_, results_);
  const auto there = [&](const char* name) { return std::filesystem::exists(folder_ / name); };
  EXPECT_TRUE(there("held-out-by-row.svg"));
  for (const char* name : {"held-out-by-rank.svg", "training-over-steps-12.svg", "held-out-over-steps.svg"}) {
    EXPECT_FALSE(there(name)) << name;
  }
  for (const char* name :
       {"mine.svg", "held-out-by-row-mine.svg", "training-over-steps-.svg", "held-out-by-rank.txt"}) {
    EXPECT_TRUE(there(name)) << name;
  }
}

}  // namespace
}  // namespace lorry::sweep
