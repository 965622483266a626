// cli/analyze/progress.hpp: progress over modules.
#pragma once
#include <functional>
#include <string>

#include "core/progress.hpp"

namespace lorry::cli {

/// The callback borrows this.
class ModuleProgress {
 public:
  /// `total` modules are to come.
  ModuleProgress(const std::string& what, Index total) : progress_(what + ", module", total) {}

  /// For (modules done, modules in all), from one thread at a time.
  std::function<void(Index, Index)> callback() {
    return [this](Index done, Index) { progress_.update(done); };
  }

 private:
  Progress progress_;
};

}  // namespace lorry::cli
