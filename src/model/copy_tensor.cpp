#include "model/copy_tensor.hpp"

#include <algorithm>

namespace lorry::model {

void copy_tensor(const io::TensorView& tensor, const io::SafetensorsFile& file, Index at_once,
                 io::SafetensorsWriter& writer, const std::function<void(Index)>& copied) {
  if (tensor.bytes.empty()) writer.write(tensor.name, tensor.bytes);
  const auto most = static_cast<std::size_t>(at_once);
  for (std::size_t first = 0; first < tensor.bytes.size(); first += most) {
    const auto part = tensor.bytes.subspan(first, std::min(most, tensor.bytes.size() - first));
    writer.write(tensor.name, part);
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
    copied(std::ssize(part));
  }
}

}  // namespace lorry::model
