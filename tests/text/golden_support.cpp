#include "text/golden_support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "text/utf8.hpp"

namespace lorry::text {

namespace {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t n = 0; n < 256; ++n) {
    std::uint32_t c = n;
    for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1) : c >> 1;
    table[n] = c;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = make_crc_table();

void append_code_point(std::string& out, std::uint64_t c) {
  const bool surrogate = c >= 0xD800 && c <= 0xDFFF;
  append_utf8(out, surrogate ? U'\uFFFD' : static_cast<char32_t>(c));
}

}  // namespace

std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "tests" / "golden" / "text" / name;
}

std::filesystem::path shared_path(const std::string& name) {
  return std::filesystem::path(LORRY_SOURCE_DIR) / ".." / "shared" / "data" / name;
}

nlohmann::json read_golden(const std::string& name) {
  return nlohmann::json::parse(read_text(golden_path(name)));
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::filesystem::path scratch_folder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string(test->test_suite_name()) + "_" + test->name();
  std::replace(name.begin(), name.end(), '/', '_');
  const std::filesystem::path folder = std::filesystem::path(LORRY_BUILD_DIR) / "scratch" / "text" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

std::uint32_t crc32(std::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  for (const char byte : bytes) crc = kCrcTable[(crc ^ static_cast<std::uint8_t>(byte)) & 0xFFU] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t crc32_ids(std::span<const std::int32_t> ids, std::uint32_t crc) {
  std::string packed;
  for (const std::int32_t id : ids) {
    for (int shift = 0; shift < 32; shift += 8)
      packed += static_cast<char>(static_cast<std::uint32_t>(id) >> shift);
  }
  return crc32(packed, crc);
}

Index replay_share(Index count) {
#if defined(__SANITIZE_ADDRESS__)
  return (count + 9) / 10;
#else
  return count;
#endif
}

TextGenerator::TextGenerator(const std::vector<std::string>& specials) {
  const nlohmann::json tables = read_golden("generator.json");
  kinds_ = tables["kinds"].get<std::vector<std::string>>();
  ranges_ = tables["ranges"].get<std::vector<std::pair<std::uint64_t, std::uint64_t>>>();
  lists_ = tables["lists"].get<std::map<std::string, std::vector<std::string>>>();
  lists_["specials"] = specials;
  for (const std::string hex : tables["bytes"]) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
      bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    lists_["bytes"].push_back(bytes);
  }
}

std::uint64_t TextGenerator::below(std::uint64_t bound) {
  state_ = state_ * 6364136223846793005U + 1442695040888963407U;
  return (state_ >> 33) % bound;
}

std::string TextGenerator::atom() {
  const std::string& kind = kinds_[below(kinds_.size())];
  std::string out;
  if (kind == "any") {
    append_code_point(out, below(0x110000));
  } else if (kind == "script") {
    const auto [first, last] = ranges_[below(ranges_.size())];
    for (std::uint64_t left = 1 + below(8); left > 0; --left)
      append_code_point(out, first + below(last - first + 1));
  } else if (kind == "ascii" || kind == "digits") {
    const bool digits = kind == "digits";
    for (std::uint64_t left = 1 + below(digits ? 6 : 8); left > 0; --left) {
      out += static_cast<char>(digits ? 0x30 + below(10) : 0x20 + below(0x5F));
    }
  } else {
    const auto& choices = lists_.at(kind);
    out = choices[below(choices.size())];
  }
  return out;
}

std::string TextGenerator::string(std::uint64_t index) {
  state_ = (index + 1) * 0x9E3779B97F4A7C15U;
  below(1);
  below(1);
  std::string out;
  for (std::uint64_t left = 1 + below(16); left > 0; --left) {
    if (below(3) == 0) out += ' ';
    const std::string piece = atom();
    const std::uint64_t copies = below(16) == 0 ? 1 + below(4) : 1;
    for (std::uint64_t i = 0; i < copies; ++i) out += piece;
  }
  return out;
}

}  // namespace lorry::text
