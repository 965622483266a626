#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "text/chat_jinja.hpp"
#include "text/chat_writer.hpp"
#include "text/jinja_shape.hpp"

namespace lorry::text {

namespace {

constexpr std::string_view kImEnd = "<|im_end|>";
constexpr std::string_view kEotId = "<|eot_id|>";

// In the order in which they are offered.
const std::array<ChatTemplate, 15>& table() {
  static const std::array<ChatTemplate, 15> kTable = {{
      {"chatml", jinja::kChatml, false, "", kImEnd, write_chatml},
      {"qwen2", jinja::kQwen2, false, "", kImEnd, write_qwen2},
      {"qwen2.5", jinja::kQwen25, true, "", kImEnd, write_qwen25},
      {"qwen3", jinja::kQwen3, true, "", kImEnd, write_qwen3},
      {"smollm2", jinja::kSmollm2, false, "", kImEnd, write_smollm2},
      {"llama2", jinja::kLlama2, false, " ", "", write_llama2},
      {"llama3", jinja::kLlama3, false, "", kEotId, write_llama3},
      {"llama3.1", jinja::kLlama31, false, "", kEotId, write_llama31},
      {"mistral", jinja::kMistral, false, " ", "", write_mistral},
      {"mistral-classic", jinja::kMistralClassic, false, "", "", write_mistral_classic},
      {"zephyr", jinja::kZephyr, false, "", "", write_zephyr},
      {"gemma", jinja::kGemma, false, "", "<end_of_turn>", write_gemma},
      {"phi", jinja::kPhi, false, "", "<|end|>", write_phi},
      {"alpaca", jinja::kAlpaca, false, "", "", write_alpaca},
      {"vicuna", jinja::kVicuna, false, " ", "", write_vicuna},
  }};
  return kTable;
}

/// Strings that say which template a Jinja text is meant to be, or comes close to.
struct Telltale {
  std::string_view name;
  std::array<std::string_view, 3> strings;  // all of them; empty ones count as found
};

constexpr std::array<Telltale, 9> kTelltales = {{
    {"chatml", {"<|im_start|>", "<|im_end|>"}},
    {"llama3", {"<|start_header_id|>", "<|eot_id|>"}},
    {"llama3.1", {"<|start_header_id|>", "Cutting Knowledge Date"}},
    {"llama2", {"[INST]", "<<SYS>>"}},
    {"mistral", {"[INST]", "[/INST]"}},
    {"zephyr", {"<|user|>", "<|assistant|>", "eos_token"}},
    {"phi", {"<|user|>", "<|assistant|>", "<|end|>"}},
    {"gemma", {"<start_of_turn>", "<end_of_turn>"}},
    {"alpaca", {"### Instruction:", "### Response:"}},
}};

bool has_all(std::string_view text, const std::array<std::string_view, 3>& strings) {
  return std::all_of(strings.begin(), strings.end(),
                     [&](std::string_view part) { return text.find(part) != std::string_view::npos; });
}

/// The template of Llama 3.1 to 3.3 is long, and all of it but the headers is about tools. Its publishers'
/// texts differ in how they name today's date.
bool is_llama31(std::string_view jinja) {
  return has_all(jinja, {"Cutting Knowledge Date: December 2023", "Environment: ipython", "26 Jul 2024"}) &&
         has_all(jinja, {"<|start_header_id|>", "<|eot_id|>", "<|python_tag|>"});
}

}  // namespace

RenderedChat ChatTemplate::render(const Conversation& conversation, const ChatTokens& tokens,
                                  ChatEnd end) const {
  if (turn_end.empty() && tokens.eos.empty()) {
    throw Error(
        "{}: the template {} ends turns with the end-of-text token, and the tokenizer names none; expected "
        "eos_token in tokenizer_config.json",
        conversation.where, name);
  }
  for (std::size_t i = 0; !shows_tools && i < conversation.messages.size(); ++i) {
    if (conversation.messages[i].tool_calls.empty()) continue;
    throw Error("{}: messages[{}].tool_calls: the template {} does not show calls of tools; expected none",
                conversation.where, i, name);
  }
  return write(conversation, tokens, end);
}

std::string chat_template_names() {
  std::string names;
  for (const ChatTemplate& known : table())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  return names;
}

const ChatTemplate* find_chat_template(std::string_view name) {
  const auto found = std::find_if(table().begin(), table().end(),
                                  [&](const ChatTemplate& known) { return known.name == name; });
  return found == table().end() ? nullptr : &*found;
}

const ChatTemplate* recognise_chat_template(std::string_view jinja) {
  const std::string shape = jinja_shape(jinja);
  for (const ChatTemplate& known : table()) {
    if (jinja_shape(known.jinja) == shape) return &known;
  }
  if (jinja_shape(jinja::kGemmaFirst) == shape) return find_chat_template("gemma");
  return is_llama31(jinja) ? find_chat_template("llama3.1") : nullptr;
}

std::string resembling_chat_templates(std::string_view jinja) {
  std::string names;
  for (const Telltale& telltale : kTelltales) {
    if (has_all(jinja, telltale.strings)) {
      names += fmt::format("{}{}", names.empty() ? "" : " or ", telltale.name);
    }
  }
  return names;
}

}  // namespace lorry::text
