#include "train/samples.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "data/prompts.hpp"
#include "data/text_lines.hpp"
#include "generate/generator.hpp"
#include "generate/text_stream.hpp"
#include "text/chat_encoder.hpp"
#include "text/chat_template.hpp"

namespace lorry::train {

namespace {

constexpr const char* kWhat = "[train] --sample-prompts";

/// How prompts become tokens, and where texts end.
class SampleWriter {
 public:
  SampleWriter(const LiveRun& run, Index max_new_tokens) : run_(run), model_(run.inputs->model) {
    generation_.max_new_tokens = max_new_tokens;
    generation_.sampler.temperature = 0;
    generation_.stop_ids = model::stop_tokens(model_);
    const std::string& name = run.inputs->data.chat_template;
    if (name.empty()) return;
    const text::ChatTemplate* chosen = text::find_chat_template(name);
    LORRY_CHECK(chosen != nullptr);
    const model::ModelText text = model::text_of(model_);
    chat_.emplace(model_.tokenizer, *chosen, text.bos, text.eos);
    if (const auto end = chat_->turn_end_id()) {
      generation_.stop_ids.push_back(*end);
    } else {
      stops_.push_back(chat_->turn_end());  // several tokens: found as text
    }
  }

  SampleReport::Sample write(const std::string& prompt) {
    const std::vector<std::int32_t> ids = ids_of(prompt);
    generate::TextStream stream(*model_.tokenizer, ids, stops_);
    SampleReport::Sample sample{.prompt = prompt, .text = {}};
    const generate::GenerationResult result =
        generate::generate(run_.decoder, ids, options_for(ids), [&](std::int32_t id) {
          sample.text += stream.push(id);
          return !stream.stopped();
        });
    sample.text += stream.finish();
    if (chat_ && sample.text.starts_with(chat_->chat_template().answer_start)) {
      sample.text.erase(0, chat_->chat_template().answer_start.size());  // the template's, not the answer's
    }
    sample.tokens = std::ssize(result.ids);
    sample.stopped = result.stopped;
    return sample;
  }

 private:
  [[nodiscard]] std::vector<std::int32_t> ids_of(const std::string& prompt) const {
    if (chat_) {
      const text::Conversation asked = {.messages = {{.role = "user", .content = prompt}}, .where = kWhat};
      return chat_->encode(asked, text::ChatEnd::kAsk).ids;
    }
    std::vector<std::int32_t> ids = data::encode_prompt(model::make_encoder(model_), prompt);
    if (!ids.empty()) return ids;
    if (const auto bos = model::begin_token(model_)) return {*bos};
    throw Error("{}: found an empty prompt; expected text, since this model has no beginning-of-text token",
                kWhat);
  }

  /// No further than the model's positions.
  [[nodiscard]] generate::GenerationOptions options_for(const std::vector<std::int32_t>& prompt) const {
    const Index positions = model_.config.max_position_embeddings;
    const Index room = positions + 1 - std::ssize(prompt);  // the last token is never fed back
    if (room < 1) {
      throw Error("{}: found a prompt of {} tokens; expected at most {}, the model's positions", kWhat,
                  prompt.size(), positions);
    }
    generate::GenerationOptions options = generation_;
    options.max_new_tokens = std::min(options.max_new_tokens, room);
    return options;
  }

  const LiveRun& run_;
  const model::LoadedModel& model_;
  generate::GenerationOptions generation_;
  std::optional<text::ChatEncoder> chat_;
  std::vector<std::string> stops_;
};

}  // namespace

std::vector<std::string> read_sample_prompts(const std::vector<std::string>& texts) {
  std::vector<std::string> prompts;
  for (const std::string& text : texts) {
    if (!text.ends_with(".jsonl") && !text.ends_with(".txt")) {
      data::check_utf8(text, kWhat);
      prompts.push_back(text);
      continue;
    }
    for (std::string& prompt : data::read_prompts(text)) prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Samples::Samples(SampleOptions options, std::function<void(const SampleReport&)> on_report)
    : options_(std::move(options)), on_report_(std::move(on_report)) {
  LORRY_CHECK(options_.every >= 0 && options_.max_new_tokens >= 1);
}

void Samples::look(const LiveRun& run) {
  const bool due = run.step == 0 || run.last || (options_.every > 0 && run.step % options_.every == 0);
  // A run that stops early comes here twice for its last step.
  if (!due || last_ == run.step) return;
  LORRY_CHECK(run.inputs != nullptr);
  last_ = run.step;
  const Stopwatch watch;
  SampleWriter writer(run, options_.max_new_tokens);
  SampleReport report{.step = run.step, .samples = {}};
  report.samples.reserve(options_.prompts.size());
  for (const std::string& prompt : options_.prompts) report.samples.push_back(writer.write(prompt));
  report.seconds = watch.seconds();
  run.log.write(to_json(report));
  if (on_report_) on_report_(report);
}

io::OrderedJson to_json(const SampleReport& report) {
  io::OrderedJson samples = io::OrderedJson::array();
  for (const SampleReport::Sample& sample : report.samples) {
    samples.push_back({{"prompt", sample.prompt},
                       {"text", sample.text},
                       {"tokens", sample.tokens},
                       {"stopped", sample.stopped}});
  }
  return {{"step", report.step}, {"seconds", report.seconds}, {"samples", std::move(samples)}};
}

}  // namespace lorry::train
