// core/machine.hpp: how much memory there is for this process, and how much it takes.
#pragma once
#include <filesystem>
#include <optional>

#include "core/index.hpp"

namespace lorry {

/// Bytes that may still be taken without swapping: what the kernel calls available, or what is left of the
/// limits of the process's control groups (version 1 or 2) where that is less. Empty where neither is told.
/// `root` holds proc/ and sys/: "/" but for tests.
std::optional<Index> available_memory(const std::filesystem::path& root = "/");

/// Resident bytes of this process now.
Index resident_bytes();

}  // namespace lorry
