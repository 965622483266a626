// cli/token_text.hpp: a document as text that shows its tokens and which of them are learnt.
#pragma once
#include <string>
#include <vector>

#include "data/document.hpp"
#include "text/tokenizer.hpp"

namespace lorry::cli {

/// How learnt tokens are told apart.
enum class TokenMarks {
  kPlain,   // learnt runs stand in « »
  kColour,  // learnt tokens are green, others dim
};

/// The text of each token, special tokens too; of a character that several tokens make up, the last has it.
/// No control bytes but line breaks.
std::vector<std::string> token_texts(const text::Tokenizer& tokenizer, const data::Document& document);

/// All tokens one after another with `|` between them, and a final newline. Line breaks are shown as they
/// are, behind a mark.
std::string show_tokens(const text::Tokenizer& tokenizer, const data::Document& document, TokenMarks marks);

}  // namespace lorry::cli
