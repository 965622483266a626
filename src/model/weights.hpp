// model/weights.hpp: a model's tensors by name, as the decoder borrows them.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/tensor_folder.hpp"
#include "model/tensor_list.hpp"
#include "model/weight_stream.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::model {

/// Matrices lie where they were mapped, in the type of their file; vectors (norms, biases) are small and are
/// held as [1,D] F32. Whoever fills it keeps the memory alive by `keep`.
class Weights {
 public:
  void add(const std::string& name, WeightView view) { views_[name] = view; }
  /// The matrix as its file has it: in place, or copied where its bytes are not aligned to the element.
  void add(const std::string& name, const io::TensorView& tensor);
  /// Packed, beside its memory, which somebody keeps.
  void add(const std::string& name, const PackedMatrix& matrix);
  /// Takes over memory that views point into.
  void keep(Matrix matrix) { owned_.push_back(std::move(matrix)); }
  void keep(std::shared_ptr<const io::MappedFile> file) { files_.push_back(std::move(file)); }
  /// The files that tensors are views of.
  [[nodiscard]] const std::vector<std::shared_ptr<const io::MappedFile>>& files() const noexcept {
    return files_;
  }
  void keep(std::shared_ptr<const io::TensorFolder> folder);

  /// The tensor must have been added.
  [[nodiscard]] WeightView at(const std::string& name) const;
  /// Bytes of all tensors as they lie in memory or in the mapped files.
  [[nodiscard]] Index matrix_bytes() const;
  /// Lets go of the memory that mapped files take by having been read; the next use reads them again.
  void release_pages() const;
  /// Of one tensor, or of a part of it: the whole pages that only it lies on.
  void release_pages(WeightView part) const;
  /// The tensor where products read it: what at() gives, where a stream puts it, or an int8 copy.
  [[nodiscard]] WeightView for_products(const std::string& name) const;
  /// From now on products read the matrices of blocks and head from a stream that holds no more than `budget`
  /// bytes of them; see model/weight_stream.hpp. Vectors and what was copied stay in memory. `reading`:
  /// empty: direct where the system could not keep the files in memory beside them. Throws Error where the
  /// budget is less than the largest part, or a file is gone.
  void stream(const ModelConfig& config, Index budget,
              std::optional<io::StreamedFile::Reading> reading = std::nullopt);
  void stop_streaming();
  /// Null where all weights are there.
  [[nodiscard]] const std::shared_ptr<WeightStream>& stream() const noexcept { return stream_; }
  /// Bytes of the parts that stream() would read, the largest first.
  [[nodiscard]] std::vector<Index> part_bytes(const ModelConfig& config) const;
  /// The least budget with which stream() reads ahead: one part computes while the next is read.
  [[nodiscard]] Index least_streamed(const ModelConfig& config) const;

  /// From now on products read the blocks' linear maps as int8 with a scale for every row, made here and held
  /// in memory; those that are so in their file stay there. Not with a stream. threads 0: all. Throws Error
  /// where a number is not finite, with nothing changed.
  void hold_int8(const ModelConfig& config, Index threads);
  void drop_int8() { int8_.clear(); }
  /// Whether hold_int8 makes a copy of the tensor.
  [[nodiscard]] bool becomes_int8(const TensorSpec& spec) const;

  /// The folder that views point into; null where the weights come from none.
  [[nodiscard]] const io::TensorFolder* folder() const noexcept { return folder_.get(); }

 private:
  /// A matrix with the memory that it borrows.
  struct Int8Copy {
    Matrix codes;   // [rows, cols] U8
    Matrix absmax;  // [1, rows] F32
    PackedMatrix matrix;
  };

  std::unordered_map<std::string, WeightView> views_;
  std::vector<std::unique_ptr<const PackedMatrix>> packed_;  // that views point to
  std::vector<Matrix> owned_;
  std::shared_ptr<const io::TensorFolder> folder_;
  std::vector<std::shared_ptr<const io::MappedFile>> files_;  // that views point into
  std::unordered_map<std::string, WeightView> streamed_;
  std::shared_ptr<WeightStream> stream_;
  std::unordered_map<std::string, std::unique_ptr<const Int8Copy>> int8_;
};

/// Opens the safetensors of the model folder `path` and checks every tensor of the config against it:
/// presence, shape, type (F32, F16 or BF16), and no other weight in a layer. Matrices are used in place; only
/// vectors are copied, and matrices whose bytes are not aligned to their element. Names may lack the config's
/// root ("model."), as some published files do. Matrices that bitsandbytes quantised are packed ones
/// (model/bnb_weights.hpp). Of a GGUF file: as load_gguf_weights. Throws Error.
Weights load_weights(const std::filesystem::path& path, const ModelConfig& config);

/// The tensor as `folder` has it, under its own name or without the family's root; nullptr if absent.
const io::TensorView* find_tensor(const io::TensorFolder& folder, const ModelConfig& config,
                                  const std::string& name);

}  // namespace lorry::model
