// analysis/update.hpp: what a training did to the linear maps of a model, ΔW per map, wherever it comes from:
// the factors of an adapter, or a fully tuned model minus its base. Everything in this folder works on
// either.
//
// Legend: O outputs, I inputs, R rank of the factors. ΔW is [O,I] whatever the storage of the model.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "analysis/grid.hpp"
#include "model/part_records.hpp"

namespace lorry::analysis {

/// One map, known before its numbers are read.
struct UpdateInfo {
  std::string module = {};  // PEFT's name without its prefix: "model.layers.0.self_attn.q_proj"
  Index outputs = 0;
  Index inputs = 0;
  Index rank = 0;      // R of the factors; min(O, I) of a difference
  double scale = 1.0;  // alpha / rank, or as the config says for this module; 1 of a difference
  bool dense = false;  // a difference: no factors
};

/// ΔW of one map: scale * b * a, or `difference`.
struct Update {
  UpdateInfo info = {};
  Grid a = {};           // [R,I]; empty if dense
  Grid b = {};           // [O,R]; empty if dense
  Grid difference = {};  // [O,I]; empty unless dense
};

/// How much of ΔW was decomposed: all of it, or the top directions of a large difference.
struct Coverage {
  Index directions = 0;  // that were computed
  double energy = 1.0;   // share of ‖ΔW‖_F^2 that they hold; 1 where complete
  bool complete = true;  // false: ΔW has more directions than these
};

/// The updates of one adapter or one full fine-tune. Reading is const and may happen from several threads at
/// once.
class UpdateSource {
 public:
  virtual ~UpdateSource() = default;
  /// The folder it was opened from, for messages and headings.
  [[nodiscard]] virtual std::string description() const = 0;
  /// By name, layer 2 before layer 10; at least one.
  [[nodiscard]] virtual const std::vector<UpdateInfo>& modules() const = 0;
  /// The numbers of modules()[index] in float64. Throws Error naming file and tensor for NaN or infinity.
  [[nodiscard]] virtual Update read(Index index) const = 0;
  /// The most memory that read(index) takes: its numbers, and pages of mapped files until it returns.
  [[nodiscard]] virtual Index reading_bytes(Index index) const = 0;
};

/// Whether the folder holds a PEFT adapter rather than a model.
bool is_adapter_folder(const std::filesystem::path& folder);

/// Opens an adapter folder (`base` is then not looked at), or a fully tuned model folder with its base (which
/// has fused maps whole).
/// Throws Error where `folder` is a model and `base` is empty, and as open_adapter and open_difference do.
std::unique_ptr<UpdateSource> open_updates(const std::filesystem::path& folder,
                                           const std::filesystem::path& base = {},
                                           model::PartsAs parts = model::PartsAs::kSeparate);

/// Whether a comes before b: text by text, runs of digits by their number, so that layer 2 comes before
/// layer 10.
bool module_less(const std::string& a, const std::string& b);

}  // namespace lorry::analysis
