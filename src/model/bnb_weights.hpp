// model/bnb_weights.hpp: matrices as bitsandbytes quantised them, read from the folders that transformers
// saves.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "io/tensor_folder.hpp"
#include "model/bnb_format.hpp"
#include "model/weights.hpp"

namespace lorry::model {

/// What of a matrix its file says beside the codes; empty for one that is stored as plain numbers. Throws
/// Error for FP4.
std::optional<BnbFormat> bnb_format_of(const io::TensorFolder& folder, const io::TensorView& tensor);

/// How the folder has a matrix that add_bnb_matrix took, so that it can be written alike.
BnbOptions bnb_options_of(const io::TensorFolder& folder, const io::TensorView& tensor,
                          const PackedMatrix& matrix);

/// Adds the matrix `spec`, which the folder has as `tensor` in `format`, to `weights` in place; only numbers
/// whose bytes are not aligned are copied. `read` takes the names of all its tensors. Every size, type and
/// field is checked; Error names the file, the tensor and what was expected: blocks of 64, scales in blocks
/// of 256, int8 by rows.
void add_bnb_matrix(const io::TensorFolder& folder, const TensorSpec& spec, const io::TensorView& tensor,
                    BnbFormat format, Weights& weights, std::set<std::string_view>& read);

}  // namespace lorry::model
