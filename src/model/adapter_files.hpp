// model/adapter_files.hpp: PEFT adapter folders: adapter_config.json and adapter_model.safetensors.
#pragma once
#include <filesystem>

#include "model/adapter.hpp"
#include "model/part_records.hpp"

namespace lorry::model {

/// Reads a PEFT adapter for this model. Every module the config selects must be in the file and the other way
/// round; shapes must fit the model. Throws Error, naming the file and the module, for an adapter of another
/// model.
Adapter load_adapter(const std::filesystem::path& folder, Decoder& decoder,
                     PartsAs parts = PartsAs::kSeparate);

/// Writes both files (F32), each atomically, into an existing folder. An update that began as a part of W is
/// written for the plain base: A with A_0 below it and B beside -B_0, of twice the rank. Where the entries'
/// ranks or scales are not those of the adapter's config, the config is written with patterns that say them.
/// Parts of a fused map are stacked (model/stacked_parts.hpp), with a record in the header. PEFT loads the
/// result without a warning.
void save_adapter(const std::filesystem::path& folder, const Adapter& adapter);

}  // namespace lorry::model
