// train/checkpoints.hpp: the folders OUT/checkpoint-N: which there are, and which stay. What is in one:
// train/resume.hpp.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/index.hpp"

namespace lorry::train {

/// OUT/checkpoint-STEP, the name that transformers gives it.
std::filesystem::path checkpoint_folder(const std::filesystem::path& out, Index step);

/// The steps of all checkpoints of `out`, lowest first. Whatever has such a name is complete: checkpoints
/// appear and go by renaming.
std::vector<Index> find_checkpoints(const std::filesystem::path& out);

/// Removes all but the newest `keep` (0: all stay) and the one of step `best`. A failure to remove is
/// ignored: the next call tries again.
void rotate_checkpoints(const std::filesystem::path& out, Index keep, std::optional<Index> best);

/// Removes what a killed process left of checkpoints half written or half removed. The caller holds the
/// folder, so nobody is at work on them.
void remove_unfinished_checkpoints(const std::filesystem::path& out);

}  // namespace lorry::train
