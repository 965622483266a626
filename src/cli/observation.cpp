#include "cli/observation.hpp"

#include "core/option_error.hpp"

namespace lorry::cli {

namespace {

/// What DoRA changes is of full rank: there are no few directions to look at.
void refuse_xray_of_dora(const train::TrainOptions& options) {
  if (options.xray_steps == 0 || options.method == train::Method::kFull) return;
  const bool dora =
      options.adapter.empty() ? options.lora.use_dora : model::load_peft_config(options.adapter).use_dora;
  if (!dora) return;
  throw OptionError(
      "[train] --xray-steps: has no meaning with DoRA, whose change has full rank; expected it without");
}

}  // namespace

void add_observation_options(OptionTable& table, ObservationFlags& flags, train::TrainOptions& options) {
  constexpr Index kMostTokens = Index{1} << 30;
  table.group("Observation");
  table.add("report-to", "NAME",
            bind_choice<bool>(flags.tensorboard, {{"tensorboard", true}, {"none", false}}),
            "tensorboard: loss, held-out loss, learning rate, gradient norm, tokens/s, samples and X-ray as "
            "event files; none: only in log.jsonl and report.html, where they are anyway");
  table
      .add("logging-dir", "DIR", bind_path(flags.logging_dir),
           "where the event files go: a folder for this run alone")
      .default_text = "OUT/runs";
  Option& prompts =
      table.add("sample-prompts", "TEXT", bind_texts(flags.sample_prompts),
                "a prompt, or a .jsonl or .txt file of them, to be continued greedily before the first step "
                "and after the last, into log.jsonl; may be given several times");
  prompts.repeated = prompts.listed = true;
  table.add("sample-steps", "N", bind_integer(flags.sample_steps, 0),
            "the same every N steps too; 0: before and after only");
  table.add("sample-tokens", "N", bind_integer(flags.sample_tokens, 1, kMostTokens),
            "tokens of a sample, unless the model ends it before");
  table.add("profile", "", bind_switch(options.profile),
            "times the parts of the steps (matmul, attention, adapters, ...): a table at the end, also in "
            "log.jsonl and report.html");
  table.group("X-ray");
  table.add("xray-steps", "N", bind_integer(options.xray_steps, 0),
            "every N steps, and at the end: which directions each update uses, whether they have settled, "
            "what they "
            "amplify; then advice on rank and duration. 0: never");
}

void check_observation(const OptionTable& table, const ObservationFlags& flags,
                       const train::TrainOptions& options) {
  if (options.xray_steps > 0 && options.method == train::Method::kFull) {
    throw OptionError(
        "[train] --xray-steps: has no effect with --method full; expected it without (lorry analyze takes "
        "the tuned model when it is done)");
  }
  refuse_xray_of_dora(options);
  if (!flags.tensorboard && !flags.logging_dir.empty()) {
    throw OptionError("[train] --logging-dir: has no effect with --report-to none; expected one of them");
  }
  for (const char* name : {"sample-steps", "sample-tokens"}) {
    if (!flags.sample_prompts.empty() || table.source(name) == Source::kDefault) continue;
    throw OptionError("[train] --{}: has no effect without --sample-prompts; expected both", name);
  }
}

bool is_repeatable(const Option& option, const ObservationFlags& flags) {
  if (option.name == "logging-dir") return false;
  return !flags.sample_prompts.empty() || !option.name.starts_with("sample-");
}

Observation::Observation(const ObservationFlags& flags, const train::TrainOptions& options,
                         TrainReport& report)
    : flags_(flags), options_(options) {
  if (options.xray_steps > 0) {
    xray_.emplace(
        options.xray_steps, [&report](const train::XrayReport& measured) { report.xray(measured); },
        options.threads);
  }
  if (!flags.sample_prompts.empty()) {
    samples_.emplace(train::SampleOptions{.prompts = train::read_sample_prompts(flags.sample_prompts),
                                          .every = flags.sample_steps,
                                          .max_new_tokens = flags.sample_tokens},
                     [&report](const train::SampleReport& written) { report.samples(written); });
  }
}

void Observation::connect(train::RunObserver& observer) {
  if (flags_.tensorboard) {
    observer.on_log = [this](const io::OrderedJson& line) { events_->add(line); };
  }
  observer.monitor = [this](const train::LiveRun& live) {
    if (xray_) xray_->look(live);
    if (samples_) samples_->look(live);
  };
  observer.save_state = [this](const std::filesystem::path& folder) {
    if (xray_) xray_->save(folder);
    if (events_) events_->sync();
  };
  if (xray_) observer.load_state = [this](const std::filesystem::path& folder) { xray_->load(folder); };
}

void Observation::start(const train::RunPlan& plan, const std::string& config) {
  if (!flags_.tensorboard) return;
  events_.emplace(options_.out, flags_.logging_dir, plan.first_step);
  if (plan.first_step == 0) events_->add_code(0, "config", config);
}

}  // namespace lorry::cli
