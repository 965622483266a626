// model/token_indices.hpp: PEFT's trainable_token_indices: which rows of the embedding, or of the head,
// train.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/json_file.hpp"
#include "model/config.hpp"

namespace lorry::model {

struct CopySpec;
struct PeftConfig;

/// One entry of the field, whose order is the order of the rows in the file.
struct TokenIndices {
  std::string module;      // the end of its name; empty: the input embedding, as where PEFT has a list alone
  std::vector<Index> ids;  // at least one

  bool operator==(const TokenIndices&) const = default;
};

/// The field as adapter_config.json has it: a list, or a mapping of names to lists. Throws Error.
std::vector<TokenIndices> parse_token_indices(const io::Json& json, const std::string& file);
/// What parse_token_indices reads; null where there is nothing.
io::OrderedJson to_json(const std::vector<TokenIndices>& indices);

/// Adds the model's added tokens to what `config` trains of embedding and head, where modules_to_save does
/// not train these in full.
void train_added_tokens(const ModelConfig& model, PeftConfig& config);

/// The rows of one table.
struct TokenTarget {
  std::string module;  // "model.embed_tokens" or "lm_head"
  std::vector<std::int32_t> ids = {};
  bool head_follows = false;  // the head, which is tied to the embedding, has these rows too
};

/// What the config asks for on this model, the embedding first. By PEFT's rules a tied head follows the
/// embedding, unless it is named with other rows; named alone, it changes alone. `adapted`: modules with
/// low-rank updates. Throws Error for names that are neither of the two, for ids that the model has not or
/// that come twice, and where the table is adapted or copied already; `where` begins the message.
std::vector<TokenTarget> token_targets(const PeftConfig& config, const ModelConfig& model,
                                       const std::set<std::string>& adapted,
                                       const std::vector<CopySpec>& copies, std::string_view where);

}  // namespace lorry::model
