// model/gguf_pre_tokenizers.hpp: how byte-level vocabularies of GGUF files cut text into words, by the name
// in tokenizer.ggml.pre.
#pragma once
#include <string>
#include <string_view>

#include "io/json_fields.hpp"

namespace lorry::model {

struct GgufPreTokenizer {
  io::Json normalizer = {};     // as in tokenizer.json
  io::Json pre_tokenizer = {};  // the same
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};

/// Empty name: GPT-2's. Throws Error beginning with `file` for one that is not known.
GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, const std::string& file);

}  // namespace lorry::model
