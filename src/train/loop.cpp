#include "train/loop.hpp"

#include <algorithm>

#include "core/clock.hpp"

namespace lorry::train {

namespace {

std::vector<data::Batch> next_micro_batches(data::Batcher& batcher, Index count) {
  std::vector<data::Batch> batches;
  do {
    batches.push_back(batcher.next());
  } while (static_cast<Index>(batches.size()) < count && !batcher.at_epoch_end());
  return batches;
}

Evaluation evaluate_now(const Loop& loop, const RunState& state) {
  const Evaluation evaluation = evaluate(loop.trainee.decoder(), loop.inputs.eval_data->view(),
                                         loop.inputs.max_seq_length, loop.trainer.workspace());
  loop.log.write(state.step, evaluation);
  if (loop.observer.on_evaluation) loop.observer.on_evaluation(state.step, evaluation);
  return evaluation;
}

void monitor_now(const Loop& loop, const RunState& state, bool last) {
  if (!loop.observer.monitor) return;
  loop.observer.monitor({.step = state.step,
                         .total_steps = loop.steps,
                         .loss = state.loss,
                         .last = last,
                         .adapter = loop.trainee.adapter(),
                         .decoder = loop.trainee.decoder(),
                         .log = loop.log,
                         .inputs = &loop.inputs});
}

void take_step(const Loop& loop, RunState& state) {
  if (loop.streamed != nullptr) loop.streamed->begin(loop.trainer);
  if (loop.profiler != nullptr) loop.profiler->begin();
  const Stopwatch watch;
  const std::vector<data::Batch> batches =
      next_micro_batches(loop.batcher, loop.options.grad_accumulation_steps);
  const double data_seconds = watch.seconds();
  const StepReport report = loop.trainer.step(batches);
  if (loop.profiler != nullptr) loop.profiler->end(data_seconds, report);
  if (loop.streamed != nullptr) loop.streamed->end(loop.trainer, report);
  state.step = report.step;
  state.micro_steps = loop.trainer.micro_steps_done();
  state.data = loop.batcher.state();
  state.loss = report.loss;
  state.seconds += report.seconds;
  state.tokens += report.tokens;
  loop.watch.add(report);
  loop.log.write(report);
  if (loop.observer.on_step) loop.observer.on_step(report);
}

/// Ends the run where the held-out loss has not fallen for long enough.
void stop_early(const Loop& loop, RunState& state) {
  const Index patience = loop.options.early_stopping_patience;
  if (patience == 0 || state.evaluations_since_best < patience || state.step == loop.steps) return;
  state.ended = true;
  loop.log.write(
      {{"step", state.step},
       {"early_stopping", {{"best_step", state.best->step}, {"best_eval_loss", state.best->loss}}}});
  monitor_now(loop, state, true);
}

/// What follows a step; whether it calls for a checkpoint.
bool look_around(const Loop& loop, RunState& state) {
  const TrainOptions& options = loop.options;
  const auto due = [&](Index every) { return every > 0 && state.step % every == 0; };
  const bool last = state.step == loop.steps;
  monitor_now(loop, state, last);
  bool best = false;
  if (loop.inputs.eval_data && (last || due(options.eval_steps))) {
    best = state.add_evaluation(evaluate_now(loop, state));
    stop_early(loop, state);
  }
  return due(options.save_steps) || (best && options.keeps_best());
}

}  // namespace

RunEnd run_steps(const Loop& loop, RunState& state) {
  Index saved = state.step;
  const auto save = [&] {
    if (!loop.save || saved == state.step) return;
    state.log_bytes = loop.log.size();
    state.peak_rss_bytes = std::max(state.peak_rss_bytes, peak_rss_bytes());
    loop.save();
    saved = state.step;
  };
  if (state.step == 0) {
    if (loop.inputs.eval_data) state.first_evaluation = evaluate_now(loop, state);
    monitor_now(loop, state, false);
  }
  while (state.step < loop.steps && !state.ended) {
    if (loop.observer.stop_requested && loop.observer.stop_requested()) {
      save();
      return RunEnd::kInterrupted;
    }
    take_step(loop, state);
    if (look_around(loop, state)) save();
  }
  state.peak_rss_bytes = std::max(state.peak_rss_bytes, peak_rss_bytes());
  return state.ended ? RunEnd::kStoppedEarly : RunEnd::kFinished;
}

}  // namespace lorry::train
