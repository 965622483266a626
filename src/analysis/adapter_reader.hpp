// analysis/adapter_reader.hpp: the factors of a PEFT adapter folder, read without its base model.
#pragma once
#include "analysis/update.hpp"

namespace lorry::analysis {

/// Reads the config and the header; tensors are read one by one later. Throws Error, naming file and tensor,
/// for a folder that is no adapter, a tensor that is no half of a linear map's update, halves that do not
/// pair up or fit, types other than F32, F16 and BF16, and what its config denies (model/adapter_check.hpp).
/// What trained beside linear layers' updates is checked and skipped, as are base weights that PEFT repeats.
/// Parts of fused maps that Lorry trained apart are modules of their own
/// ("...c_attn.q"), unless they are asked for as the file stacks them.
std::unique_ptr<UpdateSource> open_adapter(const std::filesystem::path& folder,
                                           model::PartsAs parts = model::PartsAs::kSeparate);
}  // namespace lorry::analysis
