// model/model_folder.hpp: the small files of a Hugging Face folder beside its weights.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "core/index.hpp"
#include "tensor/dtype.hpp"

namespace lorry::model {

/// Copies config, tokenizer and other small files (not weights, indexes, other folders) from one model folder
/// to another, each atomically. Throws Error.
void copy_side_files(const std::filesystem::path& from, const std::filesystem::path& to);

/// Writes model.safetensors.index.json: which file each tensor lies in, and the bytes of all. Throws Error.
void write_index(const std::filesystem::path& folder,
                 const std::map<std::string, std::string>& file_of_tensor, Index total_bytes);

/// The type in which a folder keeps its embedding: what a newly trained copy should have. Throws Error.
DType stored_dtype(const std::filesystem::path& folder);

}  // namespace lorry::model
