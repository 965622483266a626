// Summaries of adapter folders, sound and spoilt. Those of models: tests/cli/commands_test.cpp.
#include "model/inspect.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"
#include "io/safetensors_writer.hpp"
#include "model/golden_case.hpp"
#include "model/peft_names.hpp"

namespace lorry::model {
namespace {

TEST(InspectAdapter, TellsOfEveryAdapterThatLoads) {
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder() / "adapters/accepted")) {
    const AdapterSummary summary = inspect_adapter(entry.path());
    const io::SafetensorsFile file(entry.path() / kAdapterWeightsFile);
    const auto tensors = static_cast<Index>(file.tensors().size());
    EXPECT_EQ(2 * static_cast<Index>(summary.modules.size()) + summary.base_weights, tensors) << entry.path();
    // PEFT adds the weight of a head that it adapts.
    EXPECT_EQ(summary.base_weights, entry.path().filename() == "head" ? 1 : 0) << entry.path();
    Index parameters = 0;
    for (const AdapterModule& module : summary.modules) {
      parameters += module.rank * (module.inputs + module.outputs);
    }
    EXPECT_EQ(summary.parameters, parameters) << entry.path();
  }
}

TEST(InspectAdapter, NeedsNoModelToKnowRanksAndScales) {
  GoldenCase golden("llama");
  for (const char* name : {"patterns", "pattern_order", "gaussian"}) {
    const std::filesystem::path folder = golden_folder() / "adapters/accepted" / name;
    std::map<std::string, const nn::LowRankUpdate*> want;
    const Adapter adapter = load_adapter(folder, golden.decoder());
    for (const auto& entry : adapter.entries()) want[entry->module] = &entry->update;
    const AdapterSummary summary = inspect_adapter(folder);
    ASSERT_EQ(summary.modules.size(), want.size());
    for (const AdapterModule& module : summary.modules) {
      EXPECT_EQ(module.rank, want.at(module.name)->rank) << module.name;
      EXPECT_EQ(static_cast<float>(module.scale), want.at(module.name)->scale) << module.name;
    }
    EXPECT_EQ(summary.parameters, adapter.count_parameters());
  }
}

/// What inspect says of an adapter with these tensors, all zero.
std::string error_of(const std::vector<io::TensorSpec>& specs) {
  const io::ScratchFolder folder;
  std::filesystem::copy_file(golden_folder() / "adapters/accepted/minimal" / kAdapterConfigFile,
                             folder / kAdapterConfigFile);
  io::SafetensorsWriter writer(folder / kAdapterWeightsFile, specs);
  for (const io::TensorSpec& spec : specs) {
    Index size = size_of(spec.dtype);
    for (const Index side : spec.shape) size *= side;
    writer.write(spec.name, std::vector<std::byte>(static_cast<std::size_t>(size)));
  }
  writer.finish();
  return io::error_of([&] { inspect_adapter(folder.path()); });
}

TEST(InspectAdapter, RefusesWhatIsNoAdapter) {
  const std::string a = peft_name("x", kLoraA);
  const std::string b = peft_name("x", kLoraB);
  EXPECT_EQ(error_of({{a, DType::kF32, {2, 8}}, {b, DType::kBF16, {6, 2}}}), "no error");
  const auto expect_error = [](const std::vector<io::TensorSpec>& specs, const std::string& words) {
    EXPECT_NE(error_of(specs).find(words), std::string::npos) << error_of(specs) << "  lacks: " << words;
  };
  expect_error({{a, DType::kF32, {2, 8}}}, "module \"x\": found one of lora_A and lora_B; expected both");
  expect_error({{a, DType::kF32, {2, 8}}, {b, DType::kF32, {6, 3}}},
               "module \"x\": found lora_A of rank 2 and lora_B of rank 3; expected one rank");
  expect_error({{a, DType::kI32, {2, 8}}, {b, DType::kF32, {6, 2}}},
               "found type I32; supported: F32, F16, BF16");
  expect_error({{a, DType::kF32, {2, 8, 1}}, {b, DType::kF32, {6, 2}}}, "found no matrix");
  expect_error({{"base_model.model.x.lora_magnitude_vector", DType::kF32, {6}}},
               "found no lora_A or lora_B of a linear layer");
}

}  // namespace
}  // namespace lorry::model
