// train/digest.hpp: a short number for long content: has what an earlier run was made from changed?
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "train/run_inputs.hpp"

namespace lorry::train {

/// FNV-1a of 64 bits over what is added, in order. Finds accidents, not attacks.
class Digest {
 public:
  Digest& add(std::span<const std::byte> bytes);
  Digest& add(std::string_view text) { return add(std::as_bytes(std::span(text))); }
  Digest& add(Index number) { return add(std::as_bytes(std::span(&number, 1))); }
  /// Sixteen hexadecimal digits.
  [[nodiscard]] std::string hex() const;

 private:
  std::uint64_t value_ = 0xCBF29CE484222325ULL;
};

/// Bytes of weights that a digest reads at most, but for two rows of every tensor.
inline constexpr Index kDigestBytes = Index{1} << 26;

/// config.json, the lengths of the files of weights, and of every tensor name, type, shape and content: all
/// of it where the model has at most `most_bytes`, else rows evenly spread from the first to the last, so
/// that a large model takes no longer than a small one. A change that spares all those rows goes unseen.
std::string model_digest(const model::LoadedModel& model, Index most_bytes = kDigestBytes);

/// Every token and what is learnt of it, so that it follows tokenizer and cutting too.
std::string data_digest(const data::Dataset& data);

/// Both files of a PEFT adapter, whole. Throws Error where one cannot be read.
std::string adapter_digest(const std::filesystem::path& folder);

}  // namespace lorry::train
