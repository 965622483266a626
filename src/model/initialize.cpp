#include "model/initialize.hpp"

#include <vector>

#include "io/safetensors_writer.hpp"
#include "model/random_tensor.hpp"
#include "model/tensor_list.hpp"

namespace lorry::model {

void write_random_weights(const std::filesystem::path& file, const ModelConfig& config, float std,
                          DType dtype, std::uint64_t seed,
                          const std::function<void(Index, Index)>& progress) {
  const std::vector<TensorSpec> tensors = list_tensors(config);
  std::vector<io::TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const TensorSpec& spec : tensors) specs.push_back({spec.name, dtype, spec.shape});
  io::SafetensorsWriter writer(file, std::move(specs));
  const Index total = count_weights(config) * size_of(dtype);
  Index done = 0;
  std::uint64_t stream = 0;
  for (const TensorSpec& spec : tensors) {
    write_random_tensor(writer, spec, deviation_of(spec, config, std), dtype, seed, ++stream,
                        [&](Index bytes) {
                          done += bytes;
                          progress(done, total);
                        });
  }
  writer.finish();
}

}  // namespace lorry::model
