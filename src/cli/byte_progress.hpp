// cli/byte_progress.hpp: progress over bytes written, shown in MiB.
#pragma once
#include <optional>
#include <string>

#include "core/progress.hpp"

namespace lorry::cli {

/// Made for the callbacks (bytes done, bytes in all) of the library, which learns the total only as it goes.
class ByteProgress {
 public:
  explicit ByteProgress(std::string what) : what_(std::move(what)) {}

  void update(Index done, Index total) {
    const Index mebibytes = done >> 20;
    if (progress_ && mebibytes != shown_) progress_->update(mebibytes);
    if (!progress_) progress_.emplace(what_ + " MiB", total >> 20);
    shown_ = mebibytes;
  }

 private:
  std::string what_;
  Index shown_ = 0;
  std::optional<Progress> progress_;
};

}  // namespace lorry::cli
