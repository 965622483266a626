// model/inspect.hpp: what model and adapter folders hold, read from headers and configs; no weight of a model
// is touched.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/config.hpp"
#include "model/peft_config.hpp"

namespace lorry::model {

/// Equal linear maps of a model, one per block, or one outside the blocks.
struct LinearGroup {
  std::string name;  // "self_attn.q_proj": what --target-modules matches
  Index inputs = 0;
  Index outputs = 0;
  Index count = 0;
};

struct ModelSummary {
  ModelConfig config = {};
  Index files = 0;                           // safetensors or GGUF files
  Index bytes = 0;                           // of all tensors
  std::map<std::string, Index> dtypes = {};  // elements by type name: "BF16"
  Index embedding_parameters = 0;            // tables, a tied head included
  Index linear_parameters = 0;               // matrices, an untied head included
  Index small_parameters = 0;                // norms and biases
  std::vector<LinearGroup> linears = {};     // in model order
  std::vector<LinearGroup> parts = {};       // of fused maps: "attn.c_attn.q", model/fused_parts.hpp

  [[nodiscard]] Index parameters() const noexcept {
    return embedding_parameters + linear_parameters + small_parameters;
  }
  /// Parameters of an adapter of this rank on all linear maps but the head.
  [[nodiscard]] Index adapter_parameters(Index rank) const;
};

/// Checks every tensor against the config, as loading does. Throws Error.
ModelSummary inspect_model(const std::filesystem::path& folder);

/// One adapted map, as the file has it, or one part of a fused map that was trained apart.
struct AdapterModule {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  Index rank = 0;
  double scale = 0;  // as the config says, by pattern where there is one; of a part: its own
  Index inputs = 0;
  Index outputs = 0;
  double norm_a = 0;  // Frobenius
  double norm_b = 0;
};

struct AdapterSummary {
  PeftConfig config = {};
  Index bytes = 0;             // of all tensors
  Index parameters = 0;        // of all that was trained, without the zeros between parts
  Index base_weights = 0;      // tensors that repeat a weight of the base model: PEFT adds an adapted head's
  Index embedding_halves = 0;  // lora_embedding_A and lora_embedding_B
  Index token_rows = 0;        // rows of embedding and head that were trained: trainable_token_indices
  Index copies = 0;            // tensors of the base model that were trained in full: modules_to_save, bias
  std::vector<AdapterModule> modules = {};  // by name
};

/// Needs no base model. Throws Error for a folder that is not a LoRA adapter, whose A and B do not pair up,
/// or whose tensors are no floats.
AdapterSummary inspect_adapter(const std::filesystem::path& folder);

}  // namespace lorry::model
