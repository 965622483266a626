// io/disk_rate.hpp: how fast the disk under a file is read.
#pragma once
#include <filesystem>

namespace lorry::io {

/// Bytes per second of reading a file from its start, in large requests of which several are under way, past
/// what the system keeps of it in memory where the file system can do that; about so many seconds of it, or
/// the whole file. 0 for a file that is too short to tell. Throws Error where it cannot be read.
double measure_disk_rate(const std::filesystem::path& file, double seconds);

}  // namespace lorry::io
