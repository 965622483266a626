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

/// Names, shapes and the first row of every tensor: any further training of a model changes some of that, and
/// reading all of a large one would take minutes.
std::string model_digest(const model::LoadedModel& model);

/// Every token and what is learnt of it, so that it follows tokenizer and cutting too.
std::string data_digest(const data::Dataset& data);

/// Both files of a PEFT adapter, whole. Throws Error where one cannot be read.
std::string adapter_digest(const std::filesystem::path& folder);

}  // namespace lorry::train
