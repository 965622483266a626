#include "train/digest.hpp"

#include <fmt/format.h>

#include "io/mapped_file.hpp"
#include "model/peft_config.hpp"
#include "model/tensor_list.hpp"

namespace lorry::train {

Digest& Digest::add(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    value_ ^= static_cast<std::uint64_t>(byte);
    value_ *= 0x100000001B3ULL;
  }
  return *this;
}

std::string Digest::hex() const {
  return fmt::format("{:016x}", value_);
}

std::string model_digest(const model::LoadedModel& model) {
  Digest digest;
  for (const model::TensorSpec& spec : model::list_tensors(model.config)) {
    const ConstMatrixView tensor = model.weights.at(spec.name);
    digest.add(spec.name).add(tensor.rows).add(tensor.cols);
    digest.add(std::span(tensor.data, static_cast<std::size_t>(tensor.cols * size_of(tensor.dtype))));
  }
  return digest.hex();
}

std::string data_digest(const data::Dataset& data) {
  Digest digest;
  for (const data::Document& document : data.documents) {
    digest.add(document.targets_from).add(document.size()).add(std::as_bytes(std::span(document.ids)));
  }
  return digest.hex();
}

std::string adapter_digest(const std::filesystem::path& folder) {
  Digest digest;
  for (const char* name : {model::kAdapterConfigFile, model::kAdapterWeightsFile}) {
    digest.add(io::MappedFile(folder / name).bytes());
  }
  return digest.hex();
}

}  // namespace lorry::train
