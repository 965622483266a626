// `lorry chat`: a conversation with a model, with or without an adapter.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "cli/chat_session.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/sampling_options.hpp"
#include "cli/shared_options.hpp"
#include "core/error.hpp"
#include "model/workspace_size.hpp"
#include "text/utf8.hpp"
#include "train/options.hpp"

namespace lorry::cli {

namespace {

constexpr const char* kChatNotes =
    R"(Every line is a turn; answers come as they are written. /reset forgets the conversation, /exit or the end of the
input leaves. Where standard input is no terminal, each line is a turn all the same, so that conversations can be piped.

The conversation is written by the chat template that the adapter's training left beside it, else by the model's own, else
by --chat-template, and its tokens are those that training has for the same conversation.

Examples:
  lorry chat --model llama-3.2-1b
  lorry chat --model llama-3.2-1b --adapter my-adapter --system "Answer in rhymes." --temperature 0.7
  printf 'Hello\nWhy?\n' | lorry chat --model llama-3.2-1b --json
)";

struct ChatFlags {
  std::filesystem::path model;
  std::filesystem::path adapter;
  std::string system;
  std::string chat_template;
  SamplingFlags sampling;
  std::optional<DType> dtype;
  std::optional<nn::Int8Products> compute = std::nullopt;  // auto
  std::optional<Index> memory_budget;
  Index threads = 0;
  bool json = false;
};

void print_turn_json(const std::string& question, const ChatTurn& turn) {
  const io::OrderedJson line = {{"user", question},
                                {"assistant", turn.text},
                                {"prompt_ids", turn.prompt},
                                {"ids", turn.result.ids},
                                {"stopped", turn.result.stopped},
                                {"seconds", turn.result.prompt_seconds + turn.result.decode_seconds}};
  print_out(line.dump() + "\n");
}

/// False when the conversation is over.
bool take_line(const std::string& line, const ChatFlags& flags, ChatSession& session) {
  if (line == "/exit") return false;
  if (line == "/reset") {
    session.reset();
    print_note("the conversation begins anew");
  } else if (line.find_first_not_of(" \t") != std::string::npos) {
    const ChatTurn turn = session.ask(line, flags.json ? std::function<void(std::string_view)>() : print_out);
    if (flags.json) {
      print_turn_json(line, turn);
    } else {
      print_out("\n");
    }
  }
  return true;
}

void converse(const ChatFlags& flags, ChatSession& session) {
  const bool interactive = isatty(STDIN_FILENO) == 1;
  for (std::string bytes;;) {
    if (interactive) print_out("> ");
    if (!std::getline(std::cin, bytes)) break;
    if (bytes.ends_with('\r')) bytes.pop_back();
    try {
      if (!take_line(text::replace_invalid_utf8(bytes), flags, session)) return;
    } catch (const Error& error) {
      if (!interactive) throw;  // a person can go on
      print_note(fmt::format("error: {}", error.what()));
    }
  }
  if (interactive) print_out("\n");
}

void run(const OptionTable& table, ChatFlags& flags) {
  check_sampling(table, flags.sampling);
  use_base_model(flags.model, flags.adapter);
  model::check_int8(flags.compute.value_or(nn::Int8Products::kNone), flags.memory_budget);
  model::LoadedModel model = model::open_model(flags.model, flags.adapter, flags.dtype, flags.threads);
  model::prepare_generation(model, flags.compute, flags.threads);
  if (flags.memory_budget) {
    const Index longest = std::min(train::kDefaultSequence, model.config.max_position_embeddings);
    model::keep_within(model, *flags.memory_budget,
                       model::generation_bytes(model.config, model.decoder->compute(), 1, longest, longest));
  }
  const model::ModelText text = model::text_of(model);
  const text::ChatTemplate& chat_template =
      model::choose_chat_template(text, flags.chat_template, "[chat] conversations");
  ChatSession session(model, text::ChatEncoder(text.tokenizer, chat_template, text.bos, text.eos),
                      flags.sampling, flags.system);
  if (isatty(STDERR_FILENO) == 1) {
    print_note(fmt::format("template {}; /reset forgets the conversation, /exit leaves", chat_template.name));
  }
  converse(flags, session);
}

}  // namespace

Command make_chat_command() {
  const auto flags = std::make_shared<ChatFlags>();
  Command command{
      .name = "chat", .purpose = "Holds a conversation, with or without an adapter.", .notes = kChatNotes};
  OptionTable& table = command.options;
  add_model_options(table, flags->model, flags->adapter, "with this adapter");
  table.group("Conversation");
  table.add("system", "TEXT", bind_text(flags->system), "the system message");
  table
      .add("chat-template", "NAME", bind_text(flags->chat_template),
           "how the conversation is written: " + text::chat_template_names())
      .default_text = "the adapter's, else the model's own";
  add_sampling_options(table, flags->sampling);
  add_compute_options(table, GenerationComputeFlags{flags->dtype, flags->compute, flags->threads});
  add_memory_option(table, flags->memory_budget);
  add_json_option(table, flags->json,
                  "one JSON object per answer, with its token ids, instead of the text alone");
  command.run = [flags](OptionTable& options) { run(options, *flags); };
  return command;
}

}  // namespace lorry::cli
