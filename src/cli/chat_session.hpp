// cli/chat_session.hpp: a conversation with a model, turn by turn.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/sampling_options.hpp"
#include "model/loaded_model.hpp"
#include "text/chat_encoder.hpp"

namespace lorry::cli {

/// One answer.
struct ChatTurn {
  std::string text;
  std::vector<std::int32_t> prompt;  // the conversation before it, as training would see it
  generate::GenerationResult result;
};

class ChatSession {
 public:
  /// Borrows the model. `system` may be empty: no system message.
  ChatSession(const model::LoadedModel& model, text::ChatEncoder encoder, SamplingFlags sampling,
              std::string system);

  /// Adds a question and the model's answer to the conversation; `on_text` (may be empty) gets the answer
  /// piece by piece. Turn i draws with seed + i. Throws Error where the conversation has become longer than
  /// the model's positions; the question is not part of it then.
  ChatTurn ask(const std::string& question, const std::function<void(std::string_view)>& on_text);

  /// Forgets all but the system message.
  void reset();

 private:
  generate::GenerationOptions options_for(const std::vector<std::int32_t>& prompt) const;

  const model::LoadedModel& model_;
  text::ChatEncoder encoder_;
  SamplingFlags sampling_;
  std::string system_;
  text::Conversation conversation_;
  std::uint64_t turns_ = 0;
};

}  // namespace lorry::cli
