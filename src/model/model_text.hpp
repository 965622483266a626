// model/model_text.hpp: what of a model folder deals with text: tokenizer, BOS and EOS, chat template.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/document.hpp"
#include "data/sources.hpp"
#include "model/config.hpp"
#include "text/tokenizer.hpp"

namespace lorry::model {

inline constexpr const char* kChatTemplateFile = "chat_template.jinja";

struct ModelText {
  std::filesystem::path folder;   // of the model
  std::filesystem::path adapter;  // its chat_template.jinja counts before the model's; empty: none
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::optional<std::int32_t> bos, eos;           // from the tokenizer, else from config.json
  std::optional<Index> positions = std::nullopt;  // of the model, where config.json is there
};

/// Reads the tokenizer of a model folder, and config.json where there is one: no weights. Throws Error.
ModelText open_text(const std::filesystem::path& folder, const std::filesystem::path& adapter = {});

/// From parts that are open already. Throws Error if the config names a token outside the vocabulary.
ModelText make_text(std::filesystem::path folder, std::filesystem::path adapter,
                    std::shared_ptr<const text::Tokenizer> tokenizer, const ModelConfig& config);

/// The template called `name`; where that is empty, the one that the adapter or the model carries. `need`
/// says what asks for it: "[data] a.jsonl: records of messages". Throws Error, naming all, where there is
/// none or it is not known.
const text::ChatTemplate& choose_chat_template(const ModelText& model, const std::string& name,
                                               const std::string& need);

/// How data is tokenised for this model. Alpaca records have their own template where the model carries none.
/// Throws Error for a template's name that none has. Borrows nothing.
data::Encoder make_encoder(const ModelText& model, const data::DataOptions& options = {});

}  // namespace lorry::model
