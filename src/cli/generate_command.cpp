// `lorry generate`: continuations of a prompt, or of every prompt of a data file.
#include <unistd.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/shared_options.hpp"
#include "cli/standard_input.hpp"
#include "cli/usage_error.hpp"
#include "core/progress.hpp"
#include "data/record.hpp"
#include "generate/generator.hpp"
#include "model/loaded_model.hpp"
#include "text/stream_decoder.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kNotes =
    R"(Standard output carries the continuation alone, as it comes, and one newline. It ends with the model's
end-of-text token or after --max-new-tokens. An empty prompt starts from the beginning-of-text token.

A prompt is taken as it is: \n in it is two characters. For a line break write $'...\n' in bash, or --prompt - and give
the prompt on standard input (without the line break that ends it).

With --data FILE.jsonl (lines of {"prompt", "completion"}) every prompt is continued in turn, and each gives one line
{"prompt": ..., "completion": ...} with what the model wrote; text i draws with seed + i.

Examples:
  lorry generate --model llama-3.2-1b --prompt "Once upon a time"
  lorry generate --model llama-3.2-1b --adapter my-adapter --prompt "Q: 2+2? A:" --max-new-tokens 20
  lorry generate --model llama-3.2-1b --prompt "Hi" --temperature 0.8 --top-p 0.95 --seed 7
  lorry generate --model llama-3.2-1b --prompt $'Name: Ada\nTown:'
  lorry generate --model llama-3.2-1b --prompt - < prompt.txt
)";

constexpr std::string_view kFromInput = "-";

struct Flags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::string prompt;
  std::filesystem::path data;
  generate::GenerationOptions generation;
  std::optional<DType> dtype;
  Index threads = 0;
  bool verbose = false;
  bool json = false;
};

using OnText = std::function<void(std::string_view)>;

struct Continuation {
  std::string text;
  generate::GenerationResult result;
};

/// As training sees it; an empty prompt is BOS alone.
std::vector<std::int32_t> prompt_ids(const model::LoadedModel& model, const std::string& prompt) {
  std::vector<std::int32_t> ids = data::encode_prompt(model::make_encoder(model), prompt);
  if (!ids.empty()) return ids;
  if (const auto bos = model::begin_token(model)) return {*bos};
  throw Error("[generate] --prompt: empty; expected text, since this model has no beginning-of-text token");
}

/// `on_text` gets the text piece by piece.
Continuation continue_prompt(const model::LoadedModel& model, const std::string& prompt,
                             const generate::GenerationOptions& options, const OnText& on_text) {
  const std::vector<std::int32_t> ids = prompt_ids(model, prompt);
  text::StreamDecoder decoder(*model.tokenizer);
  // The prompt comes first, so that the continuation keeps a space that decoders drop at the start of a text.
  for (const std::int32_t id : ids) decoder.push(id);
  Continuation continuation;
  const auto emit = [&](const std::string& piece) {
    continuation.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  continuation.result =
      generate::generate(*model.decoder, ids, options, [&](std::int32_t id) { emit(decoder.push(id)); });
  emit(decoder.finish());
  return continuation;
}

double per_second(Index count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

/// Tokens that were fed back one by one, over the time that took.
double decode_rate(const generate::GenerationResult& result) {
  return per_second(static_cast<Index>(result.ids.size()) - (result.stopped ? 0 : 1), result.decode_seconds);
}

void run_prompt(const model::LoadedModel& model, const Flags& flags) {
  const OnText stream = flags.json ? OnText() : OnText(print_out);
  const auto [text, result] = continue_prompt(model, flags.prompt, flags.generation, stream);
  const auto new_tokens = static_cast<Index>(result.ids.size());
  const double prompt_rate = per_second(result.prompt_tokens, result.prompt_seconds);
  if (flags.json) {
    print_json({{"text", text},
                {"prompt_tokens", result.prompt_tokens},
                {"new_tokens", new_tokens},
                {"stopped", result.stopped},
                {"prompt_tokens_per_second", prompt_rate},
                {"tokens_per_second", decode_rate(result)},
                {"seconds", result.prompt_seconds + result.decode_seconds},
                {"peak_rss_bytes", peak_rss_bytes()}});
    return;
  }
  print_out("\n");
  if (!flags.verbose && isatty(STDERR_FILENO) != 1) return;
  print_note(fmt::format("prompt: {} tokens, {:.0f}/s; new: {} tokens, {:.1f}/s; {}", result.prompt_tokens,
                         prompt_rate, new_tokens, decode_rate(result),
                         result.stopped ? "ended by itself" : "stopped by --max-new-tokens"));
}

void run_data(const model::LoadedModel& model, const Flags& flags) {
  const std::vector<data::Record> records = data::read_records(flags.data);
  if (records.front().kind != data::RecordKind::kCompletion) {
    throw Error(R"([generate] --data {}: found records of "text"; expected "prompt" and "completion")",
                flags.data.string());
  }
  Progress progress("prompt", static_cast<Index>(records.size()));
  generate::GenerationOptions options = flags.generation;
  Index done = 0;
  for (const data::Record& record : records) {
    const Continuation continuation = continue_prompt(model, record.prompt, options, {});
    const io::OrderedJson line = {{"prompt", record.prompt}, {"completion", continuation.text}};
    print_out(line.dump() + "\n");
    ++options.sampler.seed;
    progress.update(++done);
  }
}

/// What would have no effect is refused, or told where a script may well say it all the same.
void check_options(const OptionTable& table, const Flags& flags) {
  const bool has_prompt = table.source("prompt") != Source::kDefault;
  if (has_prompt == !flags.data.empty()) {
    throw UsageError("[generate] --prompt, --data: found {}; expected one of them",
                     has_prompt ? "both" : "neither");
  }
  if (!flags.data.empty() && flags.json) {
    throw UsageError(
        "[generate] --json: has no effect with --data, which gives one object per line anyway; "
        "expected it without");
  }
  for (const char* name : {"top-k", "top-p"}) {
    if (flags.generation.sampler.temperature > 0 || table.source(name) == Source::kDefault) continue;
    print_note(fmt::format("note: --{} has no effect while --temperature is 0", name));
  }
}

/// All of standard input but one line break at its end, which editors and echo put there.
std::string read_prompt() {
  if (isatty(STDIN_FILENO) == 1) print_note("prompt, ended by Ctrl-D:");
  std::string prompt = read_standard_input();
  if (prompt.ends_with('\n')) prompt.pop_back();
  return prompt;
}

void run(const OptionTable& table, Flags& flags) {
  check_options(table, flags);
  const bool has_prompt = flags.data.empty();
  if (has_prompt && flags.prompt == kFromInput) flags.prompt = read_prompt();
  use_base_model(flags.model, flags.adapter);
  const model::LoadedModel model = model::open_model(flags.model, flags.adapter, flags.dtype, flags.threads);
  flags.generation.stop_ids = model::stop_tokens(model);
  if (has_prompt) {
    run_prompt(model, flags);
  } else {
    run_data(model, flags);
  }
}

void add_sampling_options(OptionTable& table, generate::GenerationOptions& options) {
  table.group("Sampling");
  table.add("max-new-tokens", "N", bind_integer(options.max_new_tokens, 1), "tokens to write at most");
  table.add(
      "temperature", "X", bind_number(options.sampler.temperature, {.low = 0}),
      "divides the logits: higher is wilder; 0: always the likeliest token, and the rest has no effect");
  table.add("top-k", "N", bind_integer(options.sampler.top_k, 0),
            "draw from the N likeliest tokens; 0: from all");
  table.add("top-p", "P", bind_number(options.sampler.top_p, {.low = 0, .high = 1, .low_open = true}),
            "draw from the fewest tokens that together have this probability");
  table.add("seed", "N", bind_seed(options.sampler.seed), "fixes the draws");
}

}  // namespace

Command make_generate_command() {
  const auto flags = std::make_shared<Flags>();
  Command command{
      .name = "generate", .purpose = "Continues a prompt, with or without an adapter.", .notes = kNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "with this adapter");
  table.group("Input");
  table.add("prompt", "TEXT", bind_text(flags->prompt), "what to continue; - reads it from standard input");
  table.add("data", "FILE", bind_path(flags->data), "continue every prompt of a .jsonl file instead");
  add_sampling_options(table, flags->generation);
  add_compute_options(table, flags->dtype, flags->threads);
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
