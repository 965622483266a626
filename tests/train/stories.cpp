#include "train/stories.hpp"

#include <cstring>

#include "data/packing.hpp"

namespace lorry::train {

namespace {

constexpr Index kHeldOut = 64;
constexpr Index kBatch = 4;

std::filesystem::path golden() {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden/training";
}

template <class T>
std::vector<double> numbers_of(const io::TensorView& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return {values.begin(), values.end()};
}

}  // namespace

std::filesystem::path shared_data() {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "../shared/data";
}

Stories::Stories(DType compute, Index threads)
    : model_(model::open_model(shared_data() / "stories260k", golden() / "adapter", compute, threads)),
      reference_(golden() / "reference.safetensors") {
  data::Dataset data =
      data::load_dataset(shared_data() / "text/tinyshakespeare.txt", model::make_encoder(model_), kWindow);
  windows_ = std::move(data.documents);
  if (windows_.back().size() < kWindow) windows_.pop_back();  // the reference drops the rest
}

std::vector<data::Document> Stories::held_out() const {
  return {windows_.end() - kHeldOut, windows_.end()};
}

data::Batch Stories::batch(Index step) const {
  const std::vector<double> order = numbers("order");
  const Index steps = static_cast<Index>(order.size()) / kBatch;
  std::vector<data::Sequence> sequences;
  for (Index i = 0; i < kBatch; ++i) {
    const double window = order[static_cast<std::size_t>(step % steps * kBatch + i)];
    sequences.push_back({static_cast<Index>(window)});
  }
  return data::make_batch(windows_, sequences, 1);
}

Trainer Stories::make_trainer(Index steps) {
  model::Adapter& adapter = *model_.adapter;
  return {*model_.decoder,
          {.parameters = adapter.parameters(),
           .zero_gradients = [&adapter] { adapter.zero_gradients(); },
           .after_update = {}},
          {.optimizer = {.weight_decay = 0.0},
           .schedule = {optim::ScheduleKind::kConstant, 1e-3, steps, 0},
           .max_grad_norm = 0.0F,
           .total_steps = steps}};
}

std::vector<double> Stories::numbers(const std::string& name) const {
  const io::TensorView& tensor = reference_.at(name);
  return tensor.dtype == DType::kI64 ? numbers_of<std::int64_t>(tensor) : numbers_of<float>(tensor);
}

}  // namespace lorry::train
