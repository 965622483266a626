#include "cli/chat_session.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "generate/text_stream.hpp"

namespace lorry::cli {

ChatSession::ChatSession(const model::LoadedModel& model, text::ChatEncoder encoder, SamplingFlags sampling,
                         std::string system)
    : model_(model),
      encoder_(std::move(encoder)),
      sampling_(std::move(sampling)),
      system_(std::move(system)) {
  sampling_.generation.stop_ids = model::stop_tokens(model);
  if (const auto end = encoder_.turn_end_id()) {
    sampling_.generation.stop_ids.push_back(*end);
  } else {
    sampling_.stop.push_back(encoder_.turn_end());  // several tokens: found as text
  }
  reset();
}

void ChatSession::reset() {
  conversation_ = {.messages = {}, .where = "[chat] the conversation"};
  if (!system_.empty()) conversation_.messages.push_back({.role = "system", .content = system_});
}

generate::GenerationOptions ChatSession::options_for(const std::vector<std::int32_t>& prompt) const {
  const Index positions = model_.config.max_position_embeddings;
  const Index room = positions + 1 - std::ssize(prompt);  // the last token is never fed back
  if (room < 1) {
    throw Error(
        "[chat] the conversation: found {} tokens; expected at most {}, the model's positions; /reset begins "
        "a new "
        "one",
        prompt.size(), positions);
  }
  generate::GenerationOptions options = sampling_.generation;
  options.max_new_tokens = std::min(options.max_new_tokens, room);
  options.sampler.seed += turns_;
  return options;
}

ChatTurn ChatSession::ask(const std::string& question, const std::function<void(std::string_view)>& on_text) {
  text::Conversation asked = conversation_;
  asked.messages.push_back({.role = "user", .content = question});
  ChatTurn turn{.text = {}, .prompt = encoder_.encode(asked, text::ChatEnd::kAsk).ids, .result = {}};
  const generate::GenerationOptions options = options_for(turn.prompt);
  generate::TextStream stream(*model_.tokenizer, turn.prompt, sampling_.stop);
  const std::string_view start = encoder_.chat_template().answer_start;
  bool begun = false;
  const auto emit = [&](std::string piece) {
    if (piece.empty()) return;
    if (!begun && piece.starts_with(start)) piece.erase(0, start.size());  // the template's, not the answer's
    begun = true;
    turn.text += piece;
    if (on_text && !piece.empty()) on_text(piece);
  };
  turn.result = generate::generate(*model_.decoder, turn.prompt, options, [&](std::int32_t id) {
    emit(stream.push(id));
    return !stream.stopped();
  });
  emit(stream.finish());
  conversation_ = std::move(asked);
  conversation_.messages.push_back({.role = "assistant", .content = turn.text});
  ++turns_;
  return turn;
}

}  // namespace lorry::cli
