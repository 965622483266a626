// model/weight_bytes.hpp: which bytes of mapped files a tensor is made of, for this folder's sources alone.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "io/mapped_file.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::model {

/// Codes and scales of a packed one (of the whole matrix); the rows of a dense one.
std::vector<std::span<const std::byte>> bytes_of(WeightView view);

/// Drops the tensor's pages of `files` from this process's memory; the next touch reads them again.
void let_go(std::span<const std::shared_ptr<const io::MappedFile>> files, WeightView read);

/// Whether `part` lies in `whole`.
bool within(std::span<const std::byte> part, std::span<const std::byte> whole);

}  // namespace lorry::model
