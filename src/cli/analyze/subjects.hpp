// cli/analyze/subjects.hpp: the adapters and fully tuned models that an analysis was asked about.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "analysis/update.hpp"
#include "cli/analyze/options.hpp"

namespace lorry::cli {

/// One ADAPTER of the command line.
struct Subject {
  std::string name = {};  // its folder's name; its path where two folders share a name
  std::filesystem::path path = {};
  bool full = false;  // a fully tuned model: ΔW is its difference to --model
  std::unique_ptr<analysis::UpdateSource> updates = {};  // those that --modules selects
};

/// What --model is for, in messages about one that is missing or has no effect.
enum class ModelUse {
  kBaseOfTuned,  // only as the base of fully tuned models
  kNeeded,       // W itself is looked at
};

/// Opens all of them. Throws Error for what is no adapter and no model, a tuned model without --model, a
/// --model that nothing needs, and modules that do not exist.
std::vector<Subject> open_subjects(const SubjectFlags& flags, ModelUse use,
                                   model::PartsAs parts = model::PartsAs::kSeparate);

/// "LoRA, rank 8, 28 modules", "full fine-tune, 28 modules".
std::string description(const Subject& subject);

/// The ranks of its updates: "8", "4 to 9".
std::string rank_text(const Subject& subject);

}  // namespace lorry::cli
