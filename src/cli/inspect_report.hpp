// cli/inspect_report.hpp: summaries of models, adapters and files, for people and as JSON.
#pragma once
#include <filesystem>
#include <string>

#include "io/json_file.hpp"
#include "io/safetensors.hpp"
#include "model/inspect.hpp"

namespace lorry::cli {

std::string model_text(const std::filesystem::path& path, const model::ModelSummary& summary);
io::OrderedJson model_json(const std::filesystem::path& path, const model::ModelSummary& summary);

std::string adapter_text(const std::filesystem::path& path, const model::AdapterSummary& summary);
io::OrderedJson adapter_json(const std::filesystem::path& path, const model::AdapterSummary& summary);

std::string file_text(const io::SafetensorsFile& file);
io::OrderedJson file_json(const io::SafetensorsFile& file);

}  // namespace lorry::cli
