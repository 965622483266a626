// A merged GGUF file. Tensors without an update are copied, and of the others the blocks that it leaves as
// they are; the rest is encoded anew, in the file's order of rows.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "core/error.hpp"
#include "io/gguf_writer.hpp"
#include "io/message_text.hpp"
#include "model/gguf_names.hpp"
#include "model/merge_panels.hpp"
#include "model/merge_writers.hpp"
#include "model/on_threads.hpp"
#include "tensor/encode_blocks.hpp"

namespace lorry::model {

namespace {

constexpr const char* kTemplateKey = "tokenizer.chat_template";

class GgufMerger {
 public:
  GgufMerger(const MergeInputs& inputs, const io::GgufModel& model)
      : in_(inputs), model_(model), threads_(thread_count(inputs.options.threads)) {
    for (const TensorSpec& spec : list_tensors(in_.config)) {
      const auto found = in_.targets.find(spec.name);
      if (found == in_.targets.end()) continue;
      plans_.emplace(gguf_name(in_.config, spec), Plan{spec, &found->second});
    }
    for (const auto& [name, tensor] : model_.tensors()) report_.bytes += std::ssize(tensor->bytes);
    std::vector<PanelCost> costs;
    for (const auto& [name, plan] : plans_) costs.push_back(cost_of(plan, *model_.find(name)));
    panel_bytes_ = panel_bytes_within("merge", in_.options.memory_budget, kMergePanel, costs, threads_);
  }

  MergeReport write(const std::string& chat_template, const std::filesystem::path& to) {
    std::vector<io::GgufTensorSpec> specs;
    for (const io::GgufFile& file : model_.files()) {
      for (const io::GgufTensor& tensor : file.tensors()) {
        specs.push_back({tensor.name, tensor.type, tensor.shape});
      }
    }
    io::GgufWriter writer(to, pairs(chat_template), std::move(specs));
    for (const io::GgufFile& file : model_.files()) {
      for (const io::GgufTensor& tensor : file.tensors()) {
        if (const auto plan = plans_.find(tensor.name); plan != plans_.end()) {
          write_merged(plan->second, tensor, file, writer);
        } else {
          copy(tensor, file, writer);
        }
      }
    }
    writer.finish();
    return std::move(report_);
  }

 private:
  struct Plan {
    TensorSpec spec;
    const MergeTarget* target;
  };
  /// Rows of a panel and of the bytes that the base has for them. Vectors have one row, the file's order of
  /// elements already.
  struct Panel {
    BlockFormat format;
    const Matrix& values;    // [n, columns]
    ConstMatrixView update;  // the same, or empty
    const std::byte* base;
    Index row_bytes;
    PackedMatrix order;  // where the file has each row
  };

  [[nodiscard]] MergePanels panels_of(const Plan& plan) const {
    return {*plan.target, in_.weights.at(plan.spec.name), false, in_.ops};
  }

  /// Rows that panels have a multiple of; vectors have one row.
  [[nodiscard]] Index unit_of(const Plan& plan) const {
    return plan.spec.shape.size() == 1 ? 1 : std::max<Index>(gguf_interleaved_head(in_.config, plan.spec), 1);
  }

  /// Panels, their bytes as they will be written, these unpacked, sums over rows, and the file, which is
  /// mapped here too.
  [[nodiscard]] PanelCost cost_of(const Plan& plan, const io::GgufTensor& tensor) const {
    PanelCost cost = panels_of(plan).cost();
    cost.unit = unit_of(plan);
    cost.element_bytes += size_of(DType::kF32);
    cost.row_bytes += 2 * (std::ssize(tensor.bytes) / cost.rows) + static_cast<Index>(sizeof(QuantLoss));
    return cost;
  }

  /// Those of the first file, which are all but those that say how it is split.
  [[nodiscard]] io::GgufPairs pairs(const std::string& chat_template) const {
    io::GgufPairs pairs;
    for (const io::GgufPair& pair : model_.files().front().pairs()) {
      if (!pair.key.starts_with("split.")) pairs.copy(pair);
    }
    if (!chat_template.empty()) pairs.put_string(kTemplateKey, chat_template);
    return pairs;
  }

  void copy(const io::GgufTensor& tensor, const io::GgufFile& file, io::GgufWriter& writer) {
    const auto size = static_cast<Index>(tensor.bytes.size());
    for (Index first = 0; first < size; first += panel_bytes_) {
      const auto part = tensor.bytes.subspan(static_cast<std::size_t>(first),
                                             static_cast<std::size_t>(std::min(panel_bytes_, size - first)));
      writer.write(tensor.name, part);
      advance(part, file);
    }
  }

  void write_merged(const Plan& plan, const io::GgufTensor& tensor, const io::GgufFile& file,
                    io::GgufWriter& writer) {
    const BlockFormat format = *block_format_from_name(tensor.type->name);
    const Index head = gguf_interleaved_head(in_.config, plan.spec);
    const bool vector = plan.spec.shape.size() == 1;
    MergePanels panels = panels_of(plan);
    Panel panel{.format = format,
                .values = panels.values(),
                .update = {},
                .base = tensor.bytes.data(),
                .row_bytes = std::ssize(tensor.bytes) / panels.rows(),
                .order = {}};
    panel.order.interleaved_head = vector ? 0 : head;
    const Index rows_at_once = panel_rows(panels.rows(), panels.cols(), unit_of(plan), panel_bytes_);
    QuantLoss loss;
    for (Index first = 0; first < panels.rows(); first += rows_at_once) {
      const Index n = std::min(rows_at_once, panels.rows() - first);
      panels.form(first, n);
      if (vector && head != 0) panels.interleave_columns(head);
      panel.update = panels.update();
      panel.base = tensor.bytes.data() + first * panel.row_bytes;
      encode(panel, loss);
      check_merged(std::isfinite(loss.error_squares + loss.squares), file.path(), tensor.name,
                   tensor.type->name);
      writer.write(tensor.name, encoded_);
      in_.weights.release_pages();
      advance(tensor.bytes.subspan(static_cast<std::size_t>(first * panel.row_bytes), encoded_.size()), file);
    }
    report_.adapted.push_back({tensor.name, std::string(tensor.type->name), loss});
    report_.loss.add(loss);
  }

  /// Fills encoded_ with the panel's rows where the file has them, and adds what that lost.
  void encode(const Panel& panel, QuantLoss& loss) {
    const Index rows = panel.values.rows();
    encoded_.resize(static_cast<std::size_t>(rows * panel.row_bytes));
    written_.reshape(rows, panel.values.cols(), DType::kF32);
    on_threads(threads_, [&](Index worker) {
      const Index end = rows * (worker + 1) / threads_;
      for (Index i = rows * worker / threads_; i < end; ++i) encode_row(panel, i);
    });
    add_loss(panel.values, written_, panel.update, threads_, loss);
  }

  void encode_row(const Panel& panel, Index i) {
    const Index cols = panel.values.cols();
    const Index offset = panel.order.stored_row(i) * panel.row_bytes;
    std::byte* const to = encoded_.data() + offset;
    const std::span<const float> values(panel.values.row<float>(i), static_cast<std::size_t>(cols));
    // Numbers one by one lose nothing where they stay, so a row of them is a block.
    const BlockFacts& facts = facts_of(panel.format);
    const Index elements = facts.elements == 1 ? cols : facts.elements;
    const Index bytes = panel.row_bytes / (cols / elements);
    for (Index block = 0; block * elements < cols; ++block) {
      const float* const update =
          panel.update.empty() ? nullptr : panel.update.row<float>(i) + block * elements;
      if (update == nullptr || std::any_of(update, update + elements, [](float by) { return by != 0.0F; })) {
        encode_blocks(
            panel.format,
            values.subspan(static_cast<std::size_t>(block * elements), static_cast<std::size_t>(elements)),
            to + block * bytes);
      } else {
        std::memcpy(to + block * bytes, panel.base + offset + block * bytes, static_cast<std::size_t>(bytes));
      }
    }
    PackedMatrix row;
    row.format = panel.format;
    row.rows = 1;
    row.cols = cols;
    row.codes = {to, static_cast<std::size_t>(panel.row_bytes)};
    unpack_row(row, 0, 0, cols, written_.row<float>(i));
  }

  /// `part` of the base has been dealt with. Its pages count as ours until they are dropped, and a model may
  /// be larger than the memory.
  void advance(std::span<const std::byte> part, const io::GgufFile& file) {
    file.mapping()->advise(io::MappedFile::Advice::kDontNeed);
    done_ += std::ssize(part);
    if (in_.progress) in_.progress(done_, report_.bytes);
  }

  const MergeInputs& in_;
  const io::GgufModel& model_;
  const Index threads_;
  std::unordered_map<std::string, Plan> plans_;  // by the file's names
  MergeReport report_;
  Index panel_bytes_ = 0;           // in float32
  Index done_ = 0;                  // bytes
  std::vector<std::byte> encoded_;  // of a panel
  Matrix written_;                  // the same unpacked, in the panel's order
};

}  // namespace

MergeReport write_merged_gguf(const MergeInputs& inputs, const std::filesystem::path& model,
                              const std::string& chat_template, const std::filesystem::path& to) {
  const io::GgufModel files(model);
  const std::string* const own = files.metadata().find_string(kTemplateKey);
  const bool other = own == nullptr || *own != chat_template;
  return GgufMerger(inputs, files).write(other ? chat_template : "", to);
}

}  // namespace lorry::model
