// Adapter folders written by hand, well or badly made.
#pragma once
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/grid.hpp"
#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::analysis {

/// One tensor of adapter_model.safetensors, F32.
struct AdapterTensor {
  std::string name;  // after "base_model.model."
  Grid values;
};

/// rank, alpha and the modules that have tensors go to the config; the tensors are written as they are.
inline void write_adapter_folder(const std::filesystem::path& folder, Index rank, double alpha,
                                 const std::vector<AdapterTensor>& tensors,
                                 const std::map<std::string, std::string>& metadata = {{"format", "pt"}}) {
  std::filesystem::create_directories(folder);
  std::set<std::string> modules;
  for (const AdapterTensor& tensor : tensors) {
    modules.insert(fmt::format("\"{}\"", tensor.name.substr(0, tensor.name.find(".lora_"))));
  }
  io::put(
      folder / "adapter_config.json",
      fmt::format(
          R"({{"peft_type":"LORA","task_type":"CAUSAL_LM","r":{},"lora_alpha":{},"target_modules":[{}]}})",
          rank, alpha, fmt::join(modules, ",")));
  const auto key = [](const AdapterTensor& tensor) { return "base_model.model." + tensor.name; };
  std::vector<io::TensorSpec> specs;
  for (const AdapterTensor& tensor : tensors) {
    specs.push_back({key(tensor), DType::kF32, {tensor.values.rows, tensor.values.cols}});
  }
  io::SafetensorsWriter writer(folder / "adapter_model.safetensors", std::move(specs), metadata);
  for (const AdapterTensor& tensor : tensors) {
    const std::vector<float> values(tensor.values.values.begin(), tensor.values.values.end());
    writer.write(key(tensor), std::as_bytes(std::span(values)));
  }
  writer.finish();
}

}  // namespace lorry::analysis
