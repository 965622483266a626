#include "train/xray.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "model/adapter.hpp"
#include "train/advice.hpp"
#include "train/xray_state.hpp"

namespace lorry::train {

namespace {

/// `wholes` keeps what modules view where W lacks something: those updates are put together for the moment.
std::vector<analysis::LiveModule> live_modules(const LiveRun& run, std::deque<nn::LowRankUpdate>& wholes) {
  std::vector<analysis::LiveModule> modules;
  for (const auto& entry : run.adapter->entries()) {
    if (entry->given_up) wholes.push_back(entry->whole());
    const nn::LowRankUpdate& update = entry->given_up ? wholes.back() : entry->update;
    const nn::Linear* linear = run.decoder.find_linear(entry->map());
    LORRY_CHECK(linear != nullptr);
    const nn::Linear::Weights& weights = linear->weights();
    const Index outputs = update.b_transposed.cols();
    const WeightView weight = weights.inputs_by_outputs
                                  ? weights.readable().col_range(entry->first_output(), outputs)
                                  : weights.readable().row_range(entry->first_output(), outputs);
    modules.push_back({.name = entry->module,
                       .a = update.a,
                       .b_transposed = update.b_transposed,
                       .scale = static_cast<double>(update.scale),
                       .weight = weight,
                       .inputs_by_outputs = weights.inputs_by_outputs,
                       .on_read = [&decoder = run.decoder, weight] { decoder.let_go(weight); }});
  }
  return modules;
}

io::OrderedJson number_or_null(double value, bool measured) {
  return measured ? io::OrderedJson(value) : io::OrderedJson(nullptr);
}

}  // namespace

Xray::Xray(Index every, std::function<void(const XrayReport&)> on_report, Index threads)
    : every_(every), on_report_(std::move(on_report)), monitor_(threads) {
  LORRY_CHECK(every_ >= 1);
}

void Xray::look(const LiveRun& run) {
  // Before the first step B is zero: there is nothing to see.
  if (run.step == 0) return;
  // A run that stops early comes here twice for its last step.
  const bool seen = !history_.empty() && history_.back().step == run.step;
  if (run.step != losses_step_) losses_.add(run.loss, run.total_steps);
  losses_step_ = run.step;
  if (!seen && (run.last || run.step % every_ == 0)) measure(run);
  if (run.last) run.log.write({{"step", run.step}, {"advice", to_json(advise(history_))}});
}

void Xray::measure(const LiveRun& run) {
  LORRY_CHECK(run.adapter != nullptr);
  const Stopwatch watch;
  std::deque<nn::LowRankUpdate> wholes;
  const std::vector<analysis::LiveModule> modules = live_modules(run, wholes);
  if (modules.empty()) return;  // embeddings alone are adapted
  XrayReport report{.step = run.step, .modules = {}, .loss = losses_.change()};
  for (analysis::LiveFigures& figures : monitor_.measure(modules)) {
    const analysis::LiveModule& module = modules[report.modules.size()];
    report.modules.push_back({.figures = std::move(figures),
                              .rank = module.a.rows,
                              .inputs = module.a.cols,
                              .outputs = module.b_transposed.cols});
  }
  report.seconds = watch.seconds();
  run.log.write(to_json(report));
  history_.push_back(std::move(report));
  if (on_report_) on_report_(history_.back());
}

void Xray::save(const std::filesystem::path& folder) const {
  save_xray_state(folder, {.directions = monitor_.directions(),
                           .last = history_.empty() ? std::nullopt : std::optional(history_.back()),
                           .losses = losses_});
}

void Xray::load(const std::filesystem::path& folder) {
  XrayState state = load_xray_state(folder);
  monitor_.set_directions(state.directions);
  losses_ = std::move(state.losses);
  history_.clear();
  if (state.last) history_.push_back(std::move(*state.last));
}

double settled(const analysis::LiveFigures& figures) {
  return std::min(figures.settled_left, figures.settled_right);
}

io::OrderedJson to_json(const XrayReport& report) {
  io::OrderedJson modules = io::OrderedJson::array();
  for (const XrayModule& module : report.modules) {
    const analysis::LiveFigures& figures = module.figures;
    if (!figures.finite) {
      modules.push_back({{"module", figures.module}, {"finite", false}, {"delta_norm", nullptr}});
      continue;
    }
    modules.push_back({{"module", figures.module},
                       {"delta_norm", figures.delta_norm},
                       {"effective_rank", figures.effective_rank},
                       {"sufficient_rank", figures.sufficient_rank},
                       {"top_share", figures.top_share},
                       {"amplification", number_or_null(figures.amplification, figures.amplification > 0)},
                       {"settled", number_or_null(settled(figures), figures.compared)},
                       {"settled_top", number_or_null(figures.settled_top, figures.compared)}});
  }
  return {{"step", report.step}, {"seconds", report.seconds}, {"xray", std::move(modules)}};
}

}  // namespace lorry::train
