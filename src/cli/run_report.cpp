#include "cli/run_report.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <thread>

#include "cli/version.hpp"
#include "core/clock.hpp"
#include "io/text_file.hpp"
#include "train/log_file.hpp"

namespace lorry::cli {

namespace {

std::string utc(std::time_t time) {
  std::tm parts = {};
  std::array<char, 32> text = {};
  if (::gmtime_r(&time, &parts) == nullptr) return "?";
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), length};
}

std::string how_it_ended(const train::TrainOptions& options, const RunStory& story,
                         const train::RunResult& result) {
  switch (result.end) {
    case train::RunEnd::kStoppedEarly:
      return fmt::format("stopped early after {} steps: the held-out loss has not fallen for {} evaluations",
                         result.steps, options.early_stopping_patience);
    case train::RunEnd::kInterrupted:
      return fmt::format("interrupted after {} of {} steps; the same command with --resume goes on",
                         result.steps, story.steps);
    case train::RunEnd::kFinished:
    case train::RunEnd::kFinishedEarlier:
      break;
  }
  return fmt::format("finished after {} steps", result.steps);
}

train::RunFacts result_facts(const train::TrainOptions& options, const RunStory& story,
                             const train::RunResult& result) {
  train::RunFacts facts = {{"end", how_it_ended(options, story, result)}};
  facts.emplace_back("training loss", fmt::format("{:.4f} nats per token in the last step", result.loss));
  if (result.first_evaluation && result.last_evaluation) {
    facts.emplace_back("held-out loss",
                       fmt::format("{:.4f} before, {:.4f} after (perplexity {:.2f}, {:.2f})",
                                   result.first_evaluation->loss, result.last_evaluation->loss,
                                   result.first_evaluation->perplexity, result.last_evaluation->perplexity));
  }
  if (options.keeps_best() && result.best) {
    facts.emplace_back("lowest", fmt::format("{:.4f} after step {}{}", result.best->loss, result.best->step,
                                             options.load_best_model_at_end ? ": that is the result" : ""));
  }
  facts.emplace_back("in steps", fmt::format("{}, {:.0f} tokens/s", format_duration(result.seconds),
                                             result.tokens_per_second));
  facts.emplace_back("trained", fmt::format("{} parameters", result.trainable_parameters));
  facts.emplace_back("written to", options.out.string());
  return facts;
}

/// Options that were given, or those that were not.
train::RunFacts settings_of(const OptionTable& table, bool given) {
  train::RunFacts facts;
  for (const Option& option : table.options()) {
    if (!option.in_config || (option.source != Source::kDefault) != given) continue;
    const std::string value = option.binding.show();
    if (!value.empty()) facts.emplace_back(option.name, value);
  }
  return facts;
}

train::RunFacts environment_of(const train::TrainOptions& options, const RunStory& story, Index peak_bytes) {
  train::RunFacts facts = {{"program", fmt::format("Lorry {}", version())}};
  if (!story.computing.empty()) facts.emplace_back("computing", story.computing);
  facts.emplace_back("threads", options.threads > 0
                                    ? fmt::format("{}", options.threads)
                                    : fmt::format("all ({})", std::thread::hardware_concurrency()));
  utsname system = {};
  if (::uname(&system) == 0) {
    facts.emplace_back("system", fmt::format("{} {}, {}", system.sysname, system.release, system.machine));
  }
  facts.emplace_back("peak memory", format_bytes(peak_bytes));
  const std::time_t ended = std::time(nullptr);
  facts.emplace_back("started", utc(story.started));
  facts.emplace_back(
      "ended", fmt::format("{}, {} later", utc(ended), format_duration(std::difftime(ended, story.started))));
  if (story.first_step > 0) {
    facts.emplace_back("resumed",
                       fmt::format("after step {}, which an earlier start had come to", story.first_step));
  }
  return facts;
}

void write_page(const train::TrainOptions& options, const train::RunPageText& text) {
  io::write_text_file(options.out / train::kRunPageFile,
                      train::run_page(text, train::read_log(options.out / train::kLogFile)));
}

train::RunPageText page_text(const OptionTable& table, const train::TrainOptions& options,
                             const RunStory& story, Index peak_bytes) {
  const std::filesystem::path& out = options.out;
  const std::filesystem::path name = out.has_filename() ? out.filename() : out.parent_path().filename();
  return {.title = fmt::format("Training {}", name.string()),
          .result = {},
          .warnings = {},
          .setup = story.setup,
          .chosen = settings_of(table, true),
          .defaults = settings_of(table, false),
          .environment = environment_of(options, story, peak_bytes)};
}

}  // namespace

void write_run_report(const OptionTable& table, const train::TrainOptions& options, const RunStory& story,
                      const train::RunResult& result) {
  const Index peak = std::max(result.peak_rss_bytes, peak_rss_bytes());
  train::RunPageText text = page_text(table, options, story, peak);
  text.result = result_facts(options, story, result);
  for (const std::string& warning : result.warnings) text.warnings.push_back("Warning: " + warning);
  for (const train::Advice& advice : story.advice) text.warnings.push_back("Advice: " + advice.text);
  write_page(options, text);
}

void write_run_report(const OptionTable& table, const train::TrainOptions& options, const RunStory& story,
                      const std::string& error) {
  train::RunPageText text = page_text(table, options, story, peak_rss_bytes());
  text.result = {{"end", error}};
  write_page(options, text);
}

}  // namespace lorry::cli
