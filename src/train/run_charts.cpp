#include "train/run_charts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "report/bar_chart.hpp"
#include "report/line_chart.hpp"
#include "train/log_scalars.hpp"

namespace lorry::train {

namespace {

/// Points of curves by their names.
struct Curves {
  std::map<std::string, report::Series> by_name;
  std::vector<std::string> names;  // in the order in which they came
};

Curves curves_of(const std::vector<io::OrderedJson>& log) {
  Curves curves;
  for (const io::OrderedJson& line : log) {
    for (const LogScalar& scalar : log_scalars(line)) {
      if (scalar.name.starts_with(kXrayLayerScalars)) continue;
      if (!curves.by_name.contains(scalar.name)) curves.names.push_back(scalar.name);
      report::Series& series = curves.by_name[scalar.name];
      series.x.push_back(line.value("step", 0.0));
      series.y.push_back(scalar.value);
    }
  }
  return curves;
}

constexpr std::size_t kMostPoints = 200;  // above which a noisy curve is averaged
constexpr std::size_t kStretches = 100;   // that it is averaged to

std::size_t stretch_of(const report::Series& series) {
  return series.x.size() <= kMostPoints ? 1 : (series.x.size() + kStretches - 1) / kStretches;
}

/// Means over stretches of equally many points, each at its middle, with a standard deviation to either side.
report::Series averaged(const report::Series& series, std::size_t stretch) {
  report::Series means;
  means.name = series.name;
  means.band = true;
  for (std::size_t begin = 0; begin < series.x.size(); begin += stretch) {
    const std::size_t end = std::min(begin + stretch, series.x.size());
    const auto count = static_cast<double>(end - begin);
    double x = 0;
    double y = 0;
    double squares = 0;
    for (std::size_t i = begin; i < end; ++i) {
      x += series.x[i] / count;
      y += series.y[i] / count;
    }
    for (std::size_t i = begin; i < end; ++i) squares += (series.y[i] - y) * (series.y[i] - y);
    means.x.push_back(x);
    means.y.push_back(y);
    means.spread.push_back(std::sqrt(squares / count));
  }
  return means;
}

report::LineChart chart_of(std::string title, std::string unit) {
  report::LineChart chart;
  chart.title = std::move(title);
  chart.x.label = "step";
  chart.y.label = std::move(unit);
  return chart;
}

void add_series(const Curves& curves, const std::string& curve, std::string name, report::LineChart& chart) {
  const auto found = curves.by_name.find(curve);
  if (found == curves.by_name.end()) return;
  report::Series series = found->second;
  series.name = std::move(name);
  chart.series.push_back(std::move(series));
}

void add_chart(const report::LineChart& chart, std::vector<std::string>& svgs) {
  if (!chart.series.empty()) svgs.push_back(report::to_svg(chart));
}

/// Of every step: averaged where there are many.
void add_noisy(const Curves& curves, const std::string& curve, std::string name, report::LineChart& chart) {
  add_series(curves, curve, std::move(name), chart);
  if (chart.series.empty()) return;
  const std::size_t stretch = stretch_of(chart.series.back());
  if (stretch > 1) chart.series.back() = averaged(chart.series.back(), stretch);
}

void add_loss(const Curves& curves, RunCharts& charts) {
  report::LineChart chart = chart_of("Loss", "nats per token");
  add_noisy(curves, "train/loss", "training", chart);
  add_series(curves, "eval/loss", "held out", chart);
  add_chart(chart, charts.training);
  const auto steps = curves.by_name.find("train/loss");
  if (steps == curves.by_name.end() || stretch_of(steps->second) == 1) return;
  charts.note = fmt::format(
      "Training loss, gradient norm and throughput are means of {} steps, at their middle, with one "
      "standard deviation to either side; log.jsonl has each step.",
      stretch_of(steps->second));
}

struct XrayChart {
  const char* figure;
  const char* title;
};

constexpr std::array<XrayChart, 6> kXrayCharts = {{{"delta_norm", "|ΔW|"},
                                                   {"effective_rank", "Effective rank"},
                                                   {"top_share", "Share of the top direction"},
                                                   {"amplification", "Amplification"},
                                                   {"settled", "Settled since the last look"},
                                                   {"settled_top", "Settled, top direction"}}};

void add_xray(const Curves& curves, RunCharts& charts) {
  for (const XrayChart& wanted : kXrayCharts) {
    report::LineChart chart = chart_of(wanted.title, "");
    const std::string prefix = fmt::format("{}{}/", kXrayScalars, wanted.figure);
    for (const std::string& name : curves.names) {
      if (name.starts_with(prefix)) add_series(curves, name, name.substr(prefix.size()), chart);
    }
    add_chart(chart, charts.xray);
  }
}

/// The last one: where a run was stopped and went on, of the steps since.
void add_profile(const std::vector<io::OrderedJson>& log, RunCharts& charts) {
  report::BarChart chart;
  chart.title = "Parts of a step";
  chart.y.label = "seconds";
  chart.series = {{}};
  for (const io::OrderedJson& line : log) {
    const auto profile = line.find("profile");
    if (profile == line.end() || !profile->is_object() || !profile->contains("parts")) continue;
    for (const io::OrderedJson& part : profile->at("parts")) {
      chart.groups.push_back(part.value("name", ""));
      chart.series.front().values.push_back(part.value("seconds", 0.0));
    }
  }
  if (!chart.groups.empty()) charts.profile = report::to_svg(chart);
}

}  // namespace

RunCharts run_charts(const std::vector<io::OrderedJson>& log) {
  const Curves curves = curves_of(log);
  RunCharts charts;
  add_loss(curves, charts);
  const auto add_alone = [&](const char* curve, const char* title, const char* unit) {
    report::LineChart chart = chart_of(title, unit);
    add_noisy(curves, curve, "", chart);
    add_chart(chart, charts.training);
  };
  report::LineChart rate = chart_of("Learning rate", "");
  add_series(curves, "train/learning_rate", "", rate);
  add_chart(rate, charts.training);
  add_alone("train/grad_norm", "Gradient norm before clipping", "");
  add_alone("train/tokens_per_second", "Throughput", "tokens per second");
  add_xray(curves, charts);
  add_profile(log, charts);
  return charts;
}

}  // namespace lorry::train
