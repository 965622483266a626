#include "train/state_tensors.hpp"

#include <fmt/ranges.h>

#include <cstring>

#include "core/error.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::train {

namespace {

std::size_t matrix_bytes(const MatrixView& view) {
  LORRY_CHECK_EQ(view.stride, view.cols);
  return static_cast<std::size_t>(view.size() * size_of(view.dtype));
}

}  // namespace

void save_state_tensors(const std::filesystem::path& file, const std::vector<optim::StateTensor>& tensors) {
  std::vector<io::TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const optim::StateTensor& tensor : tensors) {
    specs.push_back({tensor.name, tensor.value.dtype, {tensor.value.rows, tensor.value.cols}});
  }
  io::SafetensorsWriter writer(file, std::move(specs));
  for (const optim::StateTensor& tensor : tensors) {
    writer.write(tensor.name, {tensor.value.data, matrix_bytes(tensor.value)});
  }
  writer.finish();
}

void load_state_tensors(const std::filesystem::path& file, const std::vector<optim::StateTensor>& tensors) {
  const io::SafetensorsFile stored(file);
  if (stored.tensors().size() != tensors.size()) {
    throw Error("[train] {}: found {} tensors; expected {}: a checkpoint of another run?", file.string(),
                stored.tensors().size(), tensors.size());
  }
  for (const optim::StateTensor& tensor : tensors) {
    const io::TensorView& found = stored.at(tensor.name);
    const MatrixView to = tensor.value;
    if (found.dtype != to.dtype || found.shape != std::vector<Index>{to.rows, to.cols}) {
      throw Error("[train] {}: tensor \"{}\" is {} [{}]; expected {} [{},{}]: a checkpoint of another run?",
                  file.string(), tensor.name, name_of(found.dtype), fmt::join(found.shape, ","),
                  name_of(to.dtype), to.rows, to.cols);
    }
    std::memcpy(to.data, found.bytes.data(), matrix_bytes(to));
  }
}

}  // namespace lorry::train
