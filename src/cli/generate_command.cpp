// `lorry generate`: continuations of a prompt, or of every prompt of a data file.
#include <unistd.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/sampling_options.hpp"
#include "cli/shared_options.hpp"
#include "cli/standard_input.hpp"
#include "cli/stream_report.hpp"
#include "core/clock.hpp"
#include "core/option_error.hpp"
#include "core/progress.hpp"
#include "data/prompts.hpp"
#include "generate/beam_search.hpp"
#include "generate/generator.hpp"
#include "generate/text_stream.hpp"
#include "model/loaded_model.hpp"
#include "model/stream_floor.hpp"
#include "model/workspace_size.hpp"
#include "train/options.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kGenerateNotes =
    R"(Standard output carries the continuation alone, as it comes, and one newline. It ends before the model's
end-of-text token, before a --stop text, or after --max-new-tokens. An empty prompt starts from the
beginning-of-text token.

A prompt is taken as it is: \n in it is two characters. For a line break write $'...\n' in bash, or --prompt - and give
the prompt on standard input (without the line break that ends it).

With --data every prompt of a file is continued (.jsonl: lines with "prompt"; .txt: one prompt a line), --batch-size
of them together, and each gives one line {"prompt": ..., "completion": ...}, in the order of the file; text i draws
with seed + i.

With --num-beams the likeliest text of several written side by side is printed when it is known.

Examples:
  lorry generate --model llama-3.2-1b --prompt "Once upon a time"
  lorry generate --model llama-3.2-1b --adapter my-adapter --prompt "Q: 2+2? A:" --max-new-tokens 20
  lorry generate --model llama-3.2-1b --prompt "Hi" --temperature 0.8 --min-p 0.05 --seed 7
  lorry generate --model llama-3.2-1b --prompt $'Name: Ada\nTown:'
  lorry generate --model llama-3.2-1b --prompt - < prompt.txt
  lorry generate --model gpt2-e2e --data test.jsonl --num-beams 10 --length-penalty 0.9 --no-repeat-ngram-size 4
)";

constexpr std::string_view kFromInput = "-";

struct GenerateFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::string prompt;
  std::filesystem::path data;
  SamplingFlags sampling;
  generate::BeamOptions beams;
  Index batch_size = 8;
  std::optional<DType> dtype;
  std::optional<nn::Int8Products> compute = std::nullopt;  // auto
  std::optional<Index> memory_budget;
  Index threads = 0;
  bool verbose = false;
  bool json = false;
};

/// As it is before the first pass over streamed weights; empty where nobody asks how they went.
using Start = std::optional<model::StreamedWork>;

using OnText = std::function<void(std::string_view)>;

struct Continuation {
  std::string text = {};
  generate::GenerationResult result = {};
  std::optional<float> score = {};  // of the best beam
};

/// As training sees it; an empty prompt is BOS alone.
std::vector<std::int32_t> prompt_ids(const model::LoadedModel& model, const std::string& prompt) {
  std::vector<std::int32_t> ids = data::encode_prompt(model::make_encoder(model), prompt);
  if (!ids.empty()) return ids;
  if (const auto bos = model::begin_token(model)) return {*bos};
  throw Error("[generate] --prompt: empty; expected text, since this model has no beginning-of-text token");
}

Continuation search_beams(const model::LoadedModel& model, const std::vector<std::int32_t>& prompt,
                          const GenerateFlags& flags) {
  generate::BeamSearchResult best =
      generate::beam_search(*model.decoder, prompt, flags.sampling.generation, flags.beams);
  generate::TextStream stream(*model.tokenizer, prompt, {});
  Continuation continuation{.text = {}, .result = std::move(best.text), .score = best.score};
  for (const std::int32_t id : continuation.result.ids) continuation.text += stream.push(id);
  continuation.text += stream.finish();
  return continuation;
}

/// `on_text` gets the text piece by piece.
Continuation continue_prompt(const model::LoadedModel& model, const GenerateFlags& flags,
                             const OnText& on_text) {
  const std::vector<std::int32_t> ids = prompt_ids(model, flags.prompt);
  if (flags.beams.num_beams > 1) {
    Continuation continuation = search_beams(model, ids, flags);
    if (on_text) on_text(continuation.text);
    return continuation;
  }
  generate::TextStream stream(*model.tokenizer, ids, flags.sampling.stop);
  Continuation continuation;
  const auto emit = [&](const std::string& piece) {
    continuation.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  continuation.result =
      generate::generate(*model.decoder, ids, flags.sampling.generation, [&](std::int32_t id) {
        emit(stream.push(id));
        return !stream.stopped();
      });
  emit(stream.finish());
  return continuation;
}

double per_second(Index count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

double decode_rate(const generate::GenerationResult& result) {
  return per_second(result.decode_steps, result.decode_seconds);
}

Start start_of(const model::LoadedModel& model, const GenerateFlags& flags) {
  const bool shown = flags.json || flags.verbose || isatty(STDERR_FILENO) == 1;
  if (!model.weights.stream() || !shown) return std::nullopt;
  return model::StreamedWork{.read = model.weights.stream()->totals(),
                             .peaks = {.flops = 0, .disk_bytes = model::measure_peak_disk(model)}};
}

/// Of all passes since.
Start streamed_since(const Start& start, const model::LoadedModel& model, double seconds) {
  if (!start) return std::nullopt;
  model::StreamedWork work = *start;
  work.read = model.weights.stream()->totals() - start->read;
  work.seconds = seconds;
  return work;
}

void note_streaming(const model::StreamedWork& work) {
  std::string text = streaming_text(work, work.read.passes, "pass");
  text.pop_back();  // the line break, which a note has anyway
  print_note(text);
}

void run_prompt(const model::LoadedModel& model, const GenerateFlags& flags, const Start& start) {
  const OnText stream = flags.json ? OnText() : OnText(print_out);
  const auto [text, result, score] = continue_prompt(model, flags, stream);
  const auto new_tokens = static_cast<Index>(result.ids.size());
  const double prompt_rate = per_second(result.prompt_tokens, result.prompt_seconds);
  const auto streamed = streamed_since(start, model, result.prompt_seconds + result.decode_seconds);
  if (flags.json) {
    io::OrderedJson report = {{"text", text},
                              {"prompt_tokens", result.prompt_tokens},
                              {"new_tokens", new_tokens},
                              {"stopped", result.stopped},
                              {"prompt_tokens_per_second", prompt_rate},
                              {"tokens_per_second", decode_rate(result)},
                              {"seconds", result.prompt_seconds + result.decode_seconds},
                              {"peak_rss_bytes", peak_rss_bytes()}};
    if (score) report["score"] = *score;
    if (streamed) report["streaming"] = streaming_json(*streamed, streamed->read.passes);
    return print_json(report);
  }
  print_out("\n");
  if (!flags.verbose && isatty(STDERR_FILENO) != 1) return;
  print_note(fmt::format("prompt: {} tokens, {:.0f}/s; new: {} tokens, {:.1f}/s; {}", result.prompt_tokens,
                         prompt_rate, new_tokens, decode_rate(result),
                         result.stopped ? "ended by itself" : "stopped by --max-new-tokens"));
  if (streamed) note_streaming(*streamed);
}

/// Prints {"prompt", "completion"} in the order of the file, each as soon as those before it are printed.
class Answers {
 public:
  explicit Answers(const std::vector<std::string>& prompts)
      : prompts_(prompts), texts_(prompts.size()), progress_("prompt", static_cast<Index>(prompts.size())) {}

  void add(std::size_t i, std::string text) {
    texts_[i] = std::move(text);
    progress_.update(++done_);
    for (; printed_ < texts_.size() && texts_[printed_]; ++printed_) {
      const io::OrderedJson line = {{"prompt", prompts_[printed_]}, {"completion", *texts_[printed_]}};
      print_out(line.dump() + "\n");
    }
  }

 private:
  const std::vector<std::string>& prompts_;
  std::vector<std::optional<std::string>> texts_;
  std::size_t printed_ = 0;
  Progress progress_;
  Index done_ = 0;
};

void run_batches(const model::LoadedModel& model, const GenerateFlags& flags,
                 const std::vector<std::vector<std::int32_t>>& ids, Answers& answers) {
  struct Partial {
    generate::TextStream stream;
    std::string text;
  };
  std::vector<Partial> texts;
  texts.reserve(ids.size());
  for (const auto& prompt : ids) {
    texts.push_back({generate::TextStream(*model.tokenizer, prompt, flags.sampling.stop), {}});
  }
  const auto on_token = [&](Index i, std::int32_t id) {
    Partial& text = texts[static_cast<std::size_t>(i)];
    text.text += text.stream.push(id);
    return !text.stream.stopped();
  };
  const auto on_done = [&](Index i, const generate::GenerationResult& /*result*/) {
    Partial& text = texts[static_cast<std::size_t>(i)];
    answers.add(static_cast<std::size_t>(i), text.text + text.stream.finish());
  };
  generate::generate_all(*model.decoder, ids, flags.sampling.generation, flags.batch_size,
                         {.on_token = on_token, .on_done = on_done});
}

void run_data(const model::LoadedModel& model, const GenerateFlags& flags) {
  const std::vector<std::string> prompts = data::read_prompts(flags.data);
  std::vector<std::vector<std::int32_t>> ids;
  ids.reserve(prompts.size());
  for (const std::string& prompt : prompts) ids.push_back(prompt_ids(model, prompt));
  Answers answers(prompts);
  if (flags.beams.num_beams == 1) return run_batches(model, flags, ids, answers);
  for (std::size_t i = 0; i < ids.size(); ++i) answers.add(i, search_beams(model, ids[i], flags).text);
}

/// What would have no effect is refused, or told where a script may well say it all the same.
void check_options(const OptionTable& table, const GenerateFlags& flags) {
  const bool has_prompt = table.source("prompt") != Source::kDefault;
  if (has_prompt == !flags.data.empty()) {
    throw OptionError("[generate] --prompt, --data: found {}; expected one of them",
                      has_prompt ? "both" : "neither");
  }
  if (!flags.data.empty() && flags.json) {
    throw OptionError(
        "[generate] --json: has no effect with --data, which gives one object per line anyway; "
        "expected it without");
  }
  check_sampling(table, flags.sampling);
  const bool beams = flags.beams.num_beams > 1;
  if (beams) generate::check_options(flags.beams, flags.sampling.generation.sampler);
  if (beams && !flags.sampling.stop.empty()) {
    throw OptionError("[generate] --stop: found with --num-beams {}; expected it with one beam only",
                      flags.beams.num_beams);
  }
  const auto tell = [&](const char* name, bool ignored, const char* why) {
    if (!ignored || table.source(name) == Source::kDefault) return;
    print_note(fmt::format("note: --{} has no effect {}", name, why));
  };
  tell("length-penalty", !beams, "while --num-beams is 1");
  tell("early-stopping", !beams, "while --num-beams is 1");
  tell("batch-size", has_prompt, "without --data");
  tell("batch-size", !has_prompt && beams, "with --num-beams: the beams of one prompt are a batch");
}

/// All of standard input but one line break at its end, which editors and echo put there.
std::string read_prompt() {
  if (isatty(STDIN_FILENO) == 1) print_note("prompt, ended by Ctrl-D:");
  std::string prompt = read_standard_input();
  if (prompt.ends_with('\n')) prompt.pop_back();
  return prompt;
}

/// A token is at least a byte, so prompts have no more tokens than bytes.
void keep_within_budget(model::LoadedModel& model, const GenerateFlags& flags) {
  const bool has_prompt = flags.data.empty();
  const auto bytes = has_prompt ? std::size(flags.prompt) : std::filesystem::file_size(flags.data);
  const Index prompt = std::min<Index>(static_cast<Index>(bytes) + 2, train::kDefaultSequence);
  const Index texts = flags.beams.num_beams > 1 ? flags.beams.num_beams : has_prompt ? 1 : flags.batch_size;
  const Index longest = prompt + flags.sampling.generation.max_new_tokens;
  model::keep_within(model, *flags.memory_budget,
                     model::generation_bytes(model.config, model.decoder->compute(), texts, longest,
                                             has_prompt ? prompt : texts * prompt));
}

void run(const OptionTable& table, GenerateFlags& flags) {
  check_options(table, flags);
  const bool has_prompt = flags.data.empty();
  if (has_prompt && flags.prompt == kFromInput) flags.prompt = read_prompt();
  use_base_model(flags.model, flags.adapter);
  model::check_int8(flags.compute.value_or(nn::Int8Products::kNone), flags.memory_budget);
  model::LoadedModel model = model::open_model(flags.model, flags.adapter, flags.dtype, flags.threads);
  model::prepare_generation(model, flags.compute, flags.threads);
  if (flags.memory_budget) keep_within_budget(model, flags);
  const Start start = start_of(model, flags);
  flags.sampling.generation.stop_ids = model::stop_tokens(model);
  if (has_prompt) {
    run_prompt(model, flags, start);
    return;
  }
  const Stopwatch watch;
  run_data(model, flags);
  if (const Start streamed = streamed_since(start, model, watch.seconds())) note_streaming(*streamed);
}

void add_beam_options(OptionTable& table, generate::BeamOptions& beams) {
  table.group("Beam search");
  table.add("num-beams", "N", bind_integer(beams.num_beams, 1),
            "texts written side by side, of which the likeliest is taken; 1: no beam search");
  table.add("length-penalty", "X", bind_number(beams.length_penalty, {}),
            "a beam's score is its log-probability / tokens^X: higher favours longer texts");
  table.add(
      "early-stopping", "WORD",
      bind_choice<generate::EarlyStopping>(beams.early_stopping,
                                           {{"false", generate::EarlyStopping::kFalse},
                                            {"true", generate::EarlyStopping::kTrue},
                                            {"never", generate::EarlyStopping::kNever}}),
      "true: end with as many finished beams as run; false: when none is likely to become better; never: "
      "when none can");
}

}  // namespace

Command make_generate_command() {
  const auto flags = std::make_shared<GenerateFlags>();
  Command command{.name = "generate",
                  .purpose = "Continues a prompt, with or without an adapter.",
                  .notes = kGenerateNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "with this adapter");
  table.group("Input");
  table.add("prompt", "TEXT", bind_text(flags->prompt), "what to continue; - reads it from standard input");
  table.add("data", "FILE", bind_path(flags->data), "continue every prompt of a .jsonl or .txt file instead");
  table.add("batch-size", "N", bind_integer(flags->batch_size, 1), "prompts of --data to continue together");
  add_sampling_options(table, flags->sampling);
  add_beam_options(table, flags->beams);
  add_compute_options(table, GenerationComputeFlags{flags->dtype, flags->compute, flags->threads});
  add_memory_option(table, flags->memory_budget);
  add_json_option(table, flags->json,
                  "text and figures as one JSON object at the end, instead of the text alone");
  table
      .add("verbose", "", bind_switch(flags->verbose),
           "figures on standard error even if that is no terminal")
      .in_config = false;
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
