#include "cli/train_report.hpp"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "cli/lora_options.hpp"
#include "cli/output.hpp"
#include "cli/profile_report.hpp"
#include "cli/shared_options.hpp"
#include "cli/shell_word.hpp"
#include "cli/stream_report.hpp"
#include "cli/xray_report.hpp"
#include "io/gguf.hpp"
#include "report/escape.hpp"

namespace lorry::cli {

namespace {

std::string statistics_line(const data::Statistics& statistics) {
  std::string line;
  for (const auto& [name, value] : statistics.list()) {
    line += fmt::format("{}{} {}", line.empty() ? "" : ", ", value, name);
  }
  return line;
}

std::string method_line(const train::TrainOptions& options, const train::RunPlan& plan) {
  const double share =
      100.0 * static_cast<double>(plan.trainable_parameters) / static_cast<double>(plan.model_parameters);
  if (options.method == train::Method::kFull) {
    return fmt::format("full: all {} parameters train", plan.trainable_parameters);
  }
  std::string kind = fmt::format("{}, rank {}, alpha {}", method_name(options.lora), options.lora.r,
                                 options.lora.lora_alpha);
  if (!options.adapter.empty()) kind = fmt::format("LoRA, going on from {}", options.adapter.string());
  return fmt::format("{}, on {} layers: {} parameters train ({:.3g} % of {})", kind, plan.adapted_modules,
                     plan.trainable_parameters, share, plan.model_parameters);
}

std::string schedule_line(const train::TrainOptions& options, const train::RunPlan& plan) {
  return fmt::format("{} steps of {} x {} sequences of up to {} tokens{}, {}, lr {} {}", plan.steps,
                     options.grad_accumulation_steps, options.batch_size, plan.max_seq_length,
                     options.share_prompts ? " with shared prompts" : "",
                     optim::name_of(options.optimizer.kind), options.learning_rate(),
                     optim::name_of(options.lr_scheduler));
}

/// What it would spare to share prompts; empty where it is done, too late, or hardly worth it.
std::string prompts_line(const train::TrainOptions& options, const train::RunPlan& plan) {
  const data::Statistics& data = plan.data;
  if (options.share_prompts || plan.first_step > 0 || 10 * data.repeated < data.tokens) return {};
  return fmt::format("{} tokens are repeated prompts, which --share-prompts spares", data.repeated);
}

std::string evaluation_line(const train::Evaluation& evaluation) {
  return fmt::format("{:.4f} nats per token (perplexity {:.2f}, {} tokens)", evaluation.loss,
                     evaluation.perplexity, evaluation.tokens);
}

}  // namespace

void TrainReport::start(const train::RunPlan& plan) {
  total_steps_ = plan.steps;
  first_step_ = plan.first_step;
  const auto line = [](std::string_view name, std::string_view value) {
    print_note(fmt::format("{:<10}{}", name, value));
  };
  setup_ = {{"model", options_.model.string()},
            {"method", method_line(options_, plan)},
            {"data", fmt::format("{}; {}", statistics_line(plan.data), plan.data_format)}};
  if (plan.eval_data) setup_.emplace_back("held out", statistics_line(*plan.eval_data));
  if (std::string prompts = prompts_line(options_, plan); !prompts.empty()) {
    setup_.emplace_back("prompts", std::move(prompts));
  }
  for (const auto& [name, value] : setup_) line(name, value);
  const std::string int8 =
      plan.int8 == nn::Int8Products::kNone ? std::string() : fmt::format(", {}", nn::word_of(plan.int8));
  computing_ = fmt::format("{}{}, {}", dtype_word(plan.dtype), int8, plan.cpu);
  line("computing", computing_);
  setup_.emplace_back("schedule", schedule_line(options_, plan));
  line("schedule", setup_.back().second);
  for (const std::string& warning : plan.warnings) print_note("warning: " + warning);
  if (first_step_ > 0) line("resuming", fmt::format("after step {} of {}", first_step_, total_steps_));
  // Else when the first held-out loss is there.
  if (!plan.eval_data || first_step_ > 0) start_progress();
}

void TrainReport::start_progress() {
  progress_ = std::make_unique<Progress>("step", total_steps_, first_step_);
}

void TrainReport::step(const train::StepReport& report) {
  tokens_ += static_cast<double>(report.tokens);
  seconds_ += report.seconds;
  const double rate = seconds_ > 0 ? tokens_ / seconds_ : 0;
  progress_->update(report.step, fmt::format("loss {:.4f}  lr {:.2e}  {:.0f} tokens/s  {}", report.loss,
                                             report.lr, rate, format_bytes(peak_rss_bytes())));
}

void TrainReport::evaluation(Index step, const train::Evaluation& evaluation) {
  const std::string line = fmt::format("held-out loss after {} steps: {}", step, evaluation_line(evaluation));
  if (progress_) {
    progress_->print(line);
  } else {
    print_note(line);
    start_progress();
  }
}

void TrainReport::xray(const train::XrayReport& report) {
  progress_->print(fmt::format("after {} steps", report.step));
  std::istringstream lines(xray_kinds(report).to_text());
  for (std::string line; std::getline(lines, line);) progress_->print(line);
}

void TrainReport::samples(const train::SampleReport& report) {
  constexpr Index kWidth = 100;  // columns of a line
  for (const train::SampleReport::Sample& sample : report.samples) {
    const std::string text = report::printable(sample.text);
    progress_->print(fmt::format("sample after {} steps: {} | {}", report.step,
                                 report::elided(report::printable(sample.prompt), kWidth / 2),
                                 report::elided(text, kWidth)));
  }
}

void TrainReport::finish(const train::RunResult& result) {
  progress_.reset();
  for (const std::string& warning : result.warnings) print_note("warning: " + warning);
}

std::string interrupted_line(const train::RunResult& result) {
  if (result.checkpoint.empty()) return "stopped before the first step; there is nothing to save";
  return fmt::format("stopped after step {}; {} holds its state, and the same command with --resume goes on",
                     result.steps, result.checkpoint.string());
}

std::string train_summary(const train::TrainOptions& options, const train::RunResult& result) {
  std::string text;
  if (result.end == train::RunEnd::kFinishedEarlier) text = "already finished; nothing was done\n";
  text += fmt::format("loss {:.4f} after {} steps in {}, {:.0f} tokens/s, peak memory {}\n", result.loss,
                      result.steps, format_duration(result.seconds), result.tokens_per_second,
                      format_bytes(result.peak_rss_bytes));
  if (result.streamed) text += streaming_text(result.streamed->work, result.streamed->steps, "step");
  if (result.profile) text += profile_text(*result.profile);
  if (result.first_evaluation && result.last_evaluation) {
    text += fmt::format("held-out loss before {:.4f}, after {:.4f} nats per token\n",
                        result.first_evaluation->loss, result.last_evaluation->loss);
  }
  if (result.end == train::RunEnd::kStoppedEarly) {
    text += fmt::format("stopped early: the held-out loss has not fallen for {} evaluations\n",
                        options.early_stopping_patience);
  }
  if (options.keeps_best() && result.best) {
    text += fmt::format("lowest held-out loss {:.4f} after step {}{}\n", result.best->loss, result.best->step,
                        options.load_best_model_at_end
                            ? ": that is the result"
                            : fmt::format(", kept as checkpoint-{}", result.best->step));
  }
  const std::string out = options.out.string();
  const std::string model = options.model.string();
  const bool full = options.method == train::Method::kFull;
  text += fmt::format("{}: {}\nlog: {}\nconfig: {}\nreport: {}\n", full ? "model" : "adapter", out,
                      (options.out / train::kLogFile).string(), (options.out / kTrainConfigFile).string(),
                      (options.out / train::kRunPageFile).string());
  const std::string lorry = program_word();
  const std::string trained =
      full ? fmt::format("--model {}", shell_word(out))
           : fmt::format("--model {} --adapter {}", shell_word(model), shell_word(out));
  text += fmt::format(
      "\nWhat to try next:\n  {0} generate {1} --prompt \"...\"\n  {0} eval {1} --data HELD_OUT.jsonl\n",
      lorry, trained);
  if (!full) {
    text += fmt::format("  {} merge {} --out MERGED{}\n", lorry, trained,
                        io::is_gguf_path(options.model) ? ".gguf" : "");
  }
  return text;
}

io::OrderedJson train_json(const train::TrainOptions& options, const train::RunResult& result) {
  io::OrderedJson json = {{"loss", result.loss},
                          {"steps", result.steps},
                          {"tokens_per_second", result.tokens_per_second},
                          {"seconds", result.seconds},
                          {"peak_rss_bytes", result.peak_rss_bytes},
                          {"trainable_parameters", result.trainable_parameters}};
  if (result.streamed) json["streaming"] = streaming_json(result.streamed->work, result.streamed->steps);
  if (result.profile) json["profile"] = train::to_json(*result.profile);
  if (result.first_evaluation) json["eval_loss_before"] = result.first_evaluation->loss;
  if (result.last_evaluation) json["eval_loss"] = result.last_evaluation->loss;
  if (result.best) {
    json["best_step"] = result.best->step;
    json["best_eval_loss"] = result.best->loss;
  }
  if (result.end == train::RunEnd::kStoppedEarly) json["stopped_early"] = true;
  if (result.end == train::RunEnd::kFinishedEarlier) json["already_finished"] = true;
  json["warnings"] = result.warnings;
  json["out"] = options.out.string();
  return json;
}

}  // namespace lorry::cli
