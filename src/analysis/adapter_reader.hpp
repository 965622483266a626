// analysis/adapter_reader.hpp: the factors of a PEFT adapter folder, read without its base model.
#pragma once
#include "analysis/update.hpp"

namespace lorry::analysis {

/// Reads the config and the header; tensors are read one by one later. Throws Error, naming file and tensor,
/// for a folder that is no adapter, a tensor that is no half of a linear map's update, halves that do not
/// pair up or fit, and types other than F32, F16 and BF16. Base weights that PEFT stores beside an adapted
/// head are skipped. Parts of fused maps that Lorry trained apart are modules of their own
/// ("...c_attn.q"), unless they are asked for as the file stacks them.
std::unique_ptr<UpdateSource> open_adapter(const std::filesystem::path& folder,
                                           model::PartsAs parts = model::PartsAs::kSeparate);

/// Whether the adapter also has updates of embeddings, which open_adapter leaves out.
bool adapts_embeddings(const std::filesystem::path& folder);

}  // namespace lorry::analysis
