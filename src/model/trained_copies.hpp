// model/trained_copies.hpp: tensors of the base model of which an adapter has trained copies: those of PEFT's
// modules_to_save, and the biases that `bias` names. A copy takes the place of the model's own tensor.
#pragma once
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/decoder.hpp"
#include "model/peft_config.hpp"
#include "model/target_modules.hpp"
#include "model/tensor_list.hpp"

namespace lorry::model {

/// One tensor to be copied.
struct CopySpec {
  TensorSpec tensor;      // of the base; a tied head counts as a tensor of its own
  std::string file_name;  // in adapter_model.safetensors
};

/// Whether modules_to_save means `module` or one around it; by PEFT's rule a name means every module whose
/// full name ends in it, dot or no dot.
bool is_saved_module(const PeftConfig& config, const std::string& module);

/// What `config` asks to copy, in the order of list_tensors. By PEFT's rules a name of modules_to_save means
/// every module whose full name ends in it, dot or no dot ("norm" is also "input_layernorm"), with all that
/// the module holds. `adapted`: linear maps with an update, whose biases kLoraOnly means. Throws Error for a
/// name that matches the whole model, or a module that is adapted, and, unless `unmatched` is kIgnore, for
/// one that matches nothing and for a `bias` that the model has not; `where` begins the message.
std::vector<CopySpec> list_copies(const PeftConfig& config, const ModelConfig& model,
                                  const std::set<std::string>& adapted, std::string_view where,
                                  UnmatchedName unmatched = UnmatchedName::kRefuse);

/// Takes away the modules that modules_to_save keeps from being adapted: those of that name and those inside.
void remove_saved_modules(const PeftConfig& config, std::string_view where,
                          std::vector<std::string>& modules);

/// Owns the copies, all in float32. While attached, the decoder computes with them.
class TrainedCopies {
 public:
  struct Entry {
    CopySpec spec;
    Matrix value;     // vectors have one row
    Matrix gradient;  // as value; empty when not training
  };

  void add(CopySpec spec, Matrix value);
  /// Adds a copy of what the decoder's own tensor holds.
  void add_own(CopySpec spec, Decoder& decoder);
  /// What shall train must have its gradient before.
  void attach(Decoder& decoder);
  /// The decoder computes with its own tensors again, and none of them trains.
  static void detach(Decoder& decoder);

  [[nodiscard]] std::vector<Entry>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

 private:
  /// Null where there is no copy of that tensor.
  [[nodiscard]] Entry* find(const std::string& tensor);

  std::vector<Entry> entries_;
};

}  // namespace lorry::model
