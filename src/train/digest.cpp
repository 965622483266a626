#include "train/digest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "io/gguf.hpp"
#include "io/mapped_file.hpp"
#include "io/text_file.hpp"
#include "model/gguf_config.hpp"
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

namespace {

/// About `share` of the rows, evenly spread, the first and the last among them.
void add_rows(WeightView tensor, double share, Digest& digest) {
  const auto wanted = static_cast<Index>(std::ceil(share * static_cast<double>(tensor.rows)));
  const Index count = std::min(std::max<Index>(wanted, 2), tensor.rows);
  std::vector<float> values(static_cast<std::size_t>(tensor.cols));
  for (Index i = 0; i < count; ++i) {
    const Index row = count == 1 ? 0 : i * (tensor.rows - 1) / (count - 1);
    if (tensor.is_packed()) {
      tensor.read_row(row, values.data());
      digest.add(std::as_bytes(std::span(values)));
      continue;
    }
    const auto row_bytes = static_cast<std::size_t>(tensor.cols * size_of(tensor.dense.dtype));
    digest.add(std::span(tensor.dense.row_range(row, 1).data, row_bytes));
  }
}

/// Of the files that hold weights, in the order of their names.
void add_file_lengths(const std::filesystem::path& folder, Digest& digest) {
  std::map<std::string, Index> lengths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".safetensors") continue;
    lengths.emplace(entry.path().filename().string(), static_cast<Index>(entry.file_size()));
  }
  for (const auto& [name, length] : lengths) digest.add(name).add(length);
}

void add_gguf_file(const std::filesystem::path& path, Digest& digest) {
  const io::GgufModel file(path);
  digest.add(model::gguf_config_text(file));
  for (const io::GgufFile& part : file.files()) {
    digest.add(part.path().filename().string()).add(part.mapping()->size());
  }
}

}  // namespace

std::string model_digest(const model::LoadedModel& model, Index most_bytes) {
  Digest digest;
  if (io::is_gguf_path(model.folder)) {
    add_gguf_file(model.folder, digest);
  } else {
    digest.add(io::read_text_file(model.folder / "config.json"));
    add_file_lengths(model.folder, digest);
  }
  const Index all = model.weights.matrix_bytes();
  const double share = all <= most_bytes ? 1.0 : static_cast<double>(most_bytes) / static_cast<double>(all);
  for (const model::TensorSpec& spec : model::list_tensors(model.config)) {
    const WeightView tensor = model.weights.at(spec.name);
    digest.add(spec.name).add(tensor.type_name()).add(tensor.rows).add(tensor.cols);
    add_rows(tensor, share, digest);
    model.weights.release_pages(tensor);  // looking must not fill the memory
  }
  return digest.hex();
}

std::string data_digest(const data::Dataset& data) {
  Digest digest;
  const data::DocumentView documents = data.view();
  for (Index i = 0; i < documents.size(); ++i) {
    documents.visit(i, [&](const data::Document& document) {
      digest.add(document.targets_from).add(document.size()).add(std::as_bytes(std::span(document.ids)));
      for (const auto& [begin, end] : document.masked) digest.add(begin).add(end);
    });
  }
  for (const auto& [first, last, weight] : data.shares)
    digest.add(std::string_view(fmt::format("{} {} {}", first, last, weight)));
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
