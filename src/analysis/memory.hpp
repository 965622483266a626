// analysis/memory.hpp: what the analyses take beside the program, at most and from shapes alone. Formulas
// follow the sources of this folder; tests compare them with runs.
#pragma once
#include <algorithm>
#include <vector>

#include "analysis/amplification.hpp"
#include "analysis/compress.hpp"
#include "analysis/similarity.hpp"
#include "analysis/spectrum.hpp"

namespace lorry::analysis {

/// Bytes of one analysis.
struct MemoryNeed {
  std::vector<Index> modules = {};  // of each while it is worked on, with pages of mapped files
  Index controls = 0;               // after that, while the random control of the largest shape is drawn
  Index results = 0;                // of all modules, until they have been printed
  Index numbers = 0;                // not bytes: how many numbers files and --json have

  /// With one module at a time.
  [[nodiscard]] Index working() const {
    return modules.empty() ? controls : std::max(controls, *std::max_element(modules.begin(), modules.end()));
  }
};

MemoryNeed spectrum_memory(const UpdateSource& updates, const SpectrumOptions& options);
/// Its modules are those of common_modules.
MemoryNeed similarity_memory(const UpdateSource& first, const UpdateSource& second,
                             const SimilarityOptions& options);
/// Throws Error as weight_of does.
MemoryNeed amplification_memory(const UpdateSource& updates, const LinearWeights& weights,
                                const AmplificationOptions& options);
MemoryNeed compress_memory(const UpdateSource& updates, const CompressOptions& options);

/// Of one random control.
Index control_memory(const ControlTable::Shape& shape, Index seeds);

}  // namespace lorry::analysis
