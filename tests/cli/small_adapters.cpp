#include "cli/small_adapters.hpp"

#include "io/safetensors_writer.hpp"
#include "model/peft_config.hpp"
#include "model/peft_names.hpp"

namespace lorry::cli {

namespace {

std::vector<Index> shape_of(const std::vector<std::vector<float>>& rows) {
  return {std::ssize(rows), std::ssize(rows.front())};
}

void write_rows(io::SafetensorsWriter& writer, const std::string& name,
                const std::vector<std::vector<float>>& rows) {
  std::vector<float> all;
  for (const std::vector<float>& row : rows) all.insert(all.end(), row.begin(), row.end());
  writer.write(name, std::as_bytes(std::span(all)));
}

}  // namespace

std::vector<float> unit_row(Index width, Index at, float scale) {
  std::vector<float> row(static_cast<std::size_t>(width), 0.0F);
  row[static_cast<std::size_t>(at)] = scale;
  return row;
}

std::vector<std::vector<float>> unit_columns(Index height, const std::vector<Index>& at,
                                             const std::vector<float>& scale) {
  std::vector<std::vector<float>> rows(static_cast<std::size_t>(height), std::vector<float>(at.size(), 0.0F));
  for (std::size_t k = 0; k < at.size(); ++k) rows[static_cast<std::size_t>(at[k])][k] = scale[k];
  return rows;
}

SmallFactors halving_update(const std::string& module, Index inputs, Index rank, Index in, Index out,
                            float largest) {
  SmallFactors factors{.module = module, .a = {}, .b = {}};
  std::vector<Index> columns;
  for (Index k = 0; k < rank; ++k) {
    factors.a.push_back(unit_row(inputs, in + k, largest / static_cast<float>(1 << k)));
    columns.push_back(out + k);
  }
  factors.b = unit_columns(32, columns, std::vector<float>(static_cast<std::size_t>(rank), 1.0F));
  return factors;
}

void write_small_adapter(const std::filesystem::path& folder, const std::vector<SmallFactors>& modules) {
  std::filesystem::create_directories(folder);
  model::PeftConfig config;
  config.r = std::ssize(modules.front().a);
  config.lora_alpha = static_cast<double>(config.r);
  std::vector<io::TensorSpec> specs;
  for (const SmallFactors& factors : modules) {
    config.target_modules.names.push_back(factors.module);
    if (std::ssize(factors.a) != config.r)
      config.rank_pattern.emplace_back(factors.module, std::ssize(factors.a));
    specs.push_back({model::peft_name(factors.module, model::kLoraA), DType::kF32, shape_of(factors.a)});
    specs.push_back({model::peft_name(factors.module, model::kLoraB), DType::kF32, shape_of(factors.b)});
  }
  model::save_peft_config(folder, config);
  io::SafetensorsWriter writer(folder / model::kAdapterWeightsFile, std::move(specs));
  for (const SmallFactors& factors : modules) {
    write_rows(writer, model::peft_name(factors.module, model::kLoraA), factors.a);
    write_rows(writer, model::peft_name(factors.module, model::kLoraB), factors.b);
  }
  writer.finish();
}

}  // namespace lorry::cli
