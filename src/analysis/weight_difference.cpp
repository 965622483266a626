#include "analysis/weight_difference.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/linear_weights.hpp"
#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::analysis {

namespace {

class Difference : public UpdateSource {
 public:
  Difference(const std::filesystem::path& tuned, const std::filesystem::path& base)
      : tuned_(tuned), base_(base) {
    for (const LinearWeight& weight : tuned_.all()) {
      // A tied head is the embedding, which is no linear map of its own.
      if (weight.module == tuned_.config().names.head && tuned_.config().tie_word_embeddings) continue;
      const LinearWeight* before = base_.find(weight.module);
      if (before == nullptr || before->outputs() != weight.outputs() || before->inputs() != weight.inputs()) {
        throw Error(
            "[load] {}: module {}: found [{},{}] here and {} in {}; expected a tuned model and its own base",
            tuned.string(), io::in_quotes(weight.module), weight.outputs(), weight.inputs(),
            before == nullptr ? "none" : fmt::format("[{},{}]", before->outputs(), before->inputs()),
            base.string());
      }
      infos_.push_back({.module = weight.module,
                        .outputs = weight.outputs(),
                        .inputs = weight.inputs(),
                        .rank = std::min(weight.outputs(), weight.inputs()),
                        .dense = true});
    }
    for (const LinearWeight& weight : base_.all()) {
      if (tuned_.find(weight.module) != nullptr) continue;
      throw Error(
          "[load] {}: module {}: found none here and [{},{}] in {}; expected a tuned model and its own base",
          tuned.string(), io::in_quotes(weight.module), weight.outputs(), weight.inputs(), base.string());
    }
    std::sort(infos_.begin(), infos_.end(),
              [](const UpdateInfo& x, const UpdateInfo& y) { return module_less(x.module, y.module); });
  }

  [[nodiscard]] std::string description() const override {
    return tuned_.path().string() + " - " + base_.path().string();
  }
  [[nodiscard]] const std::vector<UpdateInfo>& modules() const override { return infos_; }

  [[nodiscard]] Update read(Index index) const override {
    const UpdateInfo& info = infos_[static_cast<std::size_t>(index)];
    const LinearWeight& after = *tuned_.find(info.module);
    const LinearWeight& before = *base_.find(info.module);
    Update update{.info = info};
    update.difference = Grid(info.outputs, info.inputs);
    const bool transposed = after.inputs_by_outputs;
    const Index rows = after.stored.rows;
    const Index cols = after.stored.cols;
    std::vector<float> new_row(static_cast<std::size_t>(cols));
    std::vector<float> old_row(static_cast<std::size_t>(cols));
    for (Index i = 0, forgotten = 0; i < rows; ++i) {
      if (i - forgotten == rows_at_once(cols)) {
        tuned_.forget(after, forgotten, i - forgotten);
        base_.forget(before, forgotten, i - forgotten);
        forgotten = i;
      }
      after.stored.read_row(i, new_row.data());
      before.stored.read_row(i, old_row.data());
      double* const to = update.difference.values.data() + (transposed ? i : i * cols);
      const Index step = transposed ? rows : 1;
      for (Index j = 0; j < cols; ++j) {
        const auto at = static_cast<std::size_t>(j);
        to[j * step] = static_cast<double>(new_row[at]) - static_cast<double>(old_row[at]);
      }
    }
    if (!std::all_of(update.difference.values.begin(), update.difference.values.end(),
                     [](double value) { return std::isfinite(value); })) {
      throw Error("[load] {}: module {}: found NaN or infinity; expected finite weights in both models",
                  description(), io::in_quotes(info.module));
    }
    tuned_.forget_all();
    base_.forget_all();
    return update;
  }

  [[nodiscard]] Index reading_bytes(Index index) const override {
    const UpdateInfo& info = infos_[static_cast<std::size_t>(index)];
    const Index row = std::max(info.outputs, info.inputs) * static_cast<Index>(sizeof(float));
    constexpr Index kModels = 2;
    return info.outputs * info.inputs * static_cast<Index>(sizeof(double)) +
           kModels * (std::max(kRead, row) + row);
  }

 private:
  static constexpr Index kRead = Index{4}
                                 << 20;  // bytes in float32, whose pages count as ours until they are dropped

  static Index rows_at_once(Index cols) {
    return std::max<Index>(1, kRead / (cols * static_cast<Index>(sizeof(float))));
  }

  LinearWeights tuned_;
  LinearWeights base_;
  std::vector<UpdateInfo> infos_;
};

}  // namespace

std::unique_ptr<UpdateSource> open_difference(const std::filesystem::path& tuned,
                                              const std::filesystem::path& base) {
  return std::make_unique<Difference>(tuned, base);
}

}  // namespace lorry::analysis
