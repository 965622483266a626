// text/chat_jinja.hpp: templates as the families' tokenizers carry them, word for word where their
// publishers' files are meant; to be recognised, and to be written beside an adapter for other programs.
#pragma once
#include <string_view>

namespace lorry::text::jinja {

extern const std::string_view kChatml;
extern const std::string_view kQwen2;
extern const std::string_view kSmollm2;
extern const std::string_view kQwen25;
extern const std::string_view kQwen3;
extern const std::string_view kLlama2;
extern const std::string_view kLlama3;
extern const std::string_view kLlama31;  // its part without tools
extern const std::string_view kMistral;
extern const std::string_view kMistralClassic;
extern const std::string_view kZephyr;
extern const std::string_view kGemma;
extern const std::string_view kGemmaFirst;  // of the first release: BOS was left to the tokenizer
extern const std::string_view kPhi;
extern const std::string_view kAlpaca;  // Lorry's own, of the text that Stanford published
extern const std::string_view kVicuna;  // Lorry's own, of the text that FastChat writes

}  // namespace lorry::text::jinja
