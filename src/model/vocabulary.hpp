// model/vocabulary.hpp: a model with another number of tokens than its folder says: with tokens added to its
// tokenizer, or as an adapter was trained with.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/config.hpp"
#include "model/weights.hpp"
#include "text/tokenizer.hpp"

namespace lorry::model {

inline constexpr const char* kTokenizerFile = "tokenizer.json";

/// The tokenizer that goes with a model and an adapter.
struct TokenizerFiles {
  std::filesystem::path folder;  // where it and its settings stand; or the GGUF file
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::string changed_json = {};  // tokenizer.json with the added tokens; empty: as it stands there
  /// Whether adapters carry these files: it is not the model's own tokenizer.
  bool of_adapter = false;
};

/// The adapter's own, where its folder has one, else the model's.
TokenizerFiles open_tokenizer(const std::filesystem::path& model, const std::filesystem::path& adapter);

/// Adds `tokens` to the tokenizer, and to the model rows for those that it has none for (padded vocabularies
/// have some). Rows of new tokens, which config.added_tokens then names, are the mean of those of all tokens
/// that were there. Throws Error for tokens that are there already.
void add_tokens(const std::vector<std::string>& tokens, TokenizerFiles& files, ModelConfig& config,
                Weights& weights);

/// Gives the model as many tokens as it had when the adapter was trained: the rows of embedding and head that
/// the adapter's file holds, as PEFT writes them of a resized model, else one for each of `tokens`, those of
/// the tokenizer in its folder (0: none is there). New rows that the file does not hold are the mean of all.
void fit_vocabulary(const std::filesystem::path& adapter, Index tokens, ModelConfig& config,
                    Weights& weights);

/// Copies the tokenizer and its settings (and the chat template) to an adapter's folder. Throws Error.
void save_tokenizer(const TokenizerFiles& files, const std::filesystem::path& to);

/// Copies what an adapter's folder has of tokenizer and chat template to the folder of what is made of it,
/// where they stand in place of the model's. Throws Error.
void copy_text_files(const std::filesystem::path& adapter, const std::filesystem::path& to);

}  // namespace lorry::model
