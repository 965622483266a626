// The readers of quantised weights, for readers.cpp.
#pragma once
#include <filesystem>

namespace lorry::fuzz {

/// Bytes as a packed matrix of the format, sizes and flags that the first four of them name: unpacked row by
/// row and by the kernels, in whole and in part, and multiplied. Throws Error where there are too few, and
/// std::logic_error where kernels and reference differ.
void read_packed(const std::filesystem::path& path);

/// A folder of one file, in which every matrix that bitsandbytes may have quantised is read.
void read_bitsandbytes(const std::filesystem::path& path);

}  // namespace lorry::fuzz
