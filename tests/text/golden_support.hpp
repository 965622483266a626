// tests/text/golden_support.hpp: the golden folder, checksums as zlib makes them, and the generator of test
// strings.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/index.hpp"

namespace lorry::text {

/// tests/golden/text/`name`.
std::filesystem::path golden_path(const std::string& name);
/// ../shared/data/`name`, which may be absent.
std::filesystem::path shared_path(const std::string& name);

nlohmann::json read_golden(const std::string& name);
std::string read_text(const std::filesystem::path& file);

/// A fresh folder for this test in the build folder.
std::filesystem::path scratch_folder();

/// zlib's crc32, continued from `crc`.
std::uint32_t crc32(std::string_view bytes, std::uint32_t crc = 0);
/// Over the ids as little-endian words, as the scripts pack them.
std::uint32_t crc32_ids(std::span<const std::int32_t> ids, std::uint32_t crc = 0);

/// How much of a long replay this build does: all, or a tenth under sanitizers.
Index replay_share(Index count);

/// The twin of scripts/golden/text_generator.py: string(i) depends on i and on generator.json alone.
class TextGenerator {
 public:
  /// `specials`: what the kind "specials" draws from.
  explicit TextGenerator(const std::vector<std::string>& specials);

  /// Bytes, not always valid UTF-8.
  std::string string(std::uint64_t index);

 private:
  std::uint64_t below(std::uint64_t bound);
  std::string atom();

  std::vector<std::string> kinds_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
  std::map<std::string, std::vector<std::string>> lists_;
  std::uint64_t state_ = 0;
};

}  // namespace lorry::text
