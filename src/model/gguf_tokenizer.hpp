// model/gguf_tokenizer.hpp: the tokenizer in a GGUF file's metadata, as the files of a Hugging Face folder
// would say it.
#pragma once
#include "io/gguf.hpp"
#include "io/json_file.hpp"
#include "text/tokenizer.hpp"

namespace lorry::model {

struct GgufTokenizer {
  io::Json json;  // tokenizer.json
  text::TokenizerConfig settings;
};

/// tokenizer.ggml.model gpt2 (byte-level BPE) or llama (SentencePiece's BPE with scores). Throws Error naming
/// the key for anything missing, inconsistent or not supported.
GgufTokenizer gguf_tokenizer(const io::GgufMetadata& metadata);

/// The tokenizer of the GGUF file at `path`. Throws Error.
text::Tokenizer load_gguf_tokenizer(const std::filesystem::path& path);
/// The same with more special tokens.
text::Tokenizer::Extended load_gguf_tokenizer_with(const std::filesystem::path& path,
                                                   const std::vector<std::string>& tokens);
/// The tokenizer_config.json for adapters that carry that tokenizer with tokens added.
io::OrderedJson gguf_tokenizer_config(const std::filesystem::path& path);

}  // namespace lorry::model
