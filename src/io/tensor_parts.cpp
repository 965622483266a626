#include "io/tensor_parts.hpp"

#include "core/check.hpp"

namespace lorry::io {

bool TensorParts::add(const std::string& name, Index offset, Index bytes) {
  return parts_.emplace(name, Part{offset, bytes, 0}).second;
}

void TensorParts::begin(std::string_view head, Index data_begin, Index file_bytes) {
  data_begin_ = data_begin;
  file_.reserve(file_bytes);
  file_.write(head);
}

void TensorParts::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = parts_.find(name);
  LORRY_CHECK(found != parts_.end());
  Part& part = found->second;
  const auto count = static_cast<Index>(bytes.size());
  LORRY_CHECK(count <= part.size - part.written);
  file_.write_at(data_begin_ + part.offset + part.written, bytes);
  part.written += count;
}

void TensorParts::finish() {
  for (const auto& [name, part] : parts_) LORRY_CHECK_EQ(part.written, part.size);
  file_.commit();
}

}  // namespace lorry::io
