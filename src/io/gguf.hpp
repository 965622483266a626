// io/gguf.hpp: models of llama.cpp: GGUF files, mapped and checked, their tensors used in place.
//
// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Versions 2 and 3, little endian.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/index.hpp"
#include "io/mapped_file.hpp"

namespace lorry::io {

/// A type of ggml: what a block of it is.
struct GgmlType {
  std::uint32_t number;
  std::string_view name;  // "Q4_K"
  Index elements;         // of one block
  Index bytes;
};

/// Null for a number that none has.
const GgmlType* find_ggml_type(std::uint32_t number);
/// Null for a name that none has.
const GgmlType* find_ggml_type(std::string_view name);

/// Of a tensor of this row-major shape. Nothing where a size is below 1, rows are not whole blocks, or the
/// bytes do not fit in an Index.
std::optional<Index> ggml_bytes(const GgmlType& type, std::span<const Index> shape);

/// A value of the metadata. Integers of all widths are Index (those of 2^63 and more its largest), and so are
/// the numbers in lists of them; lists of booleans are lists of 0 and 1.
using GgufValue = std::variant<Index, double, bool, std::string, std::vector<Index>, std::vector<double>,
                               std::vector<std::string>>;

/// "a string", for messages.
std::string_view kind_of(const GgufValue& value);

/// Keys and values at the head of a file. Every reader throws Error, naming file and key, where the value is
/// of another kind or out of range.
class GgufMetadata {
 public:
  GgufMetadata(std::string file, std::map<std::string, GgufValue, std::less<>> values)
      : file_(std::move(file)), values_(std::move(values)) {}

  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::map<std::string, GgufValue, std::less<>>& values() const noexcept {
    return values_;
  }
  /// Null where it is absent.
  [[nodiscard]] const GgufValue* find(std::string_view key) const;

  /// An integer from `low` to `high`; nothing where it is absent.
  [[nodiscard]] std::optional<Index> find_index(std::string_view key, Index low, Index high) const;
  [[nodiscard]] Index get_index(std::string_view key, Index low, Index high) const;
  /// A finite number.
  [[nodiscard]] std::optional<double> find_number(std::string_view key) const;
  [[nodiscard]] std::optional<bool> find_bool(std::string_view key) const;
  [[nodiscard]] const std::string* find_string(std::string_view key) const;
  [[nodiscard]] const std::string& get_string(std::string_view key) const;
  /// Null where they are absent.
  [[nodiscard]] const std::vector<std::string>* find_strings(std::string_view key) const;
  [[nodiscard]] const std::vector<Index>* find_indices(std::string_view key) const;
  [[nodiscard]] const std::vector<double>* find_numbers(std::string_view key) const;

  /// Throws `[load] FILE: key "KEY": found ...; expected ...`.
  [[noreturn]] void fail(std::string_view key, std::string_view found, std::string_view expected) const;

 private:
  template <class T>
  [[nodiscard]] const T* find_as(std::string_view key, std::string_view expected) const;

  std::string file_;
  std::map<std::string, GgufValue, std::less<>> values_;
};

/// A key with its value as a file holds them. Borrows: valid while the GgufFile lives.
struct GgufPair {
  std::string_view key;
  std::span<const std::byte> value;  // the number of its type first
};

/// One tensor of a mapped file. Borrows: valid while the GgufFile lives.
struct GgufTensor {
  std::string name;
  const GgmlType* type = nullptr;
  std::vector<Index> shape;  // row-major: the file's order turned round. One to four sizes, each at least 1
  std::span<const std::byte> bytes;

  [[nodiscard]] Index elements() const noexcept;
};

/// A checked GGUF file. Opening reads its head only, whatever the size of the tensors.
class GgufFile {
 public:
  /// Maps `path` and checks all that its head says: counts, lengths, types, alignment, and that tensors have
  /// names of their own, whole blocks in a row, and places inside the file that do not overlap. Throws Error.
  explicit GgufFile(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return file_->path(); }
  [[nodiscard]] const GgufMetadata& metadata() const noexcept { return metadata_; }
  /// What metadata() holds, in the order of the head.
  [[nodiscard]] const std::vector<GgufPair>& pairs() const noexcept { return pairs_; }
  /// In the order of the head.
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const std::shared_ptr<const MappedFile>& mapping() const noexcept { return file_; }

 private:
  std::shared_ptr<const MappedFile> file_;
  GgufMetadata metadata_;
  std::vector<GgufPair> pairs_;
  std::vector<GgufTensor> tensors_;
};

/// A model in one file, or in parts: "NAME-00001-of-0000N.gguf" of which the first is opened and the others
/// lie beside it.
class GgufModel {
 public:
  /// Throws Error as GgufFile does, and where parts are missing or do not belong together.
  explicit GgufModel(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return files_.front().path(); }
  /// Of the first file.
  [[nodiscard]] const GgufMetadata& metadata() const noexcept { return files_.front().metadata(); }
  [[nodiscard]] const std::vector<GgufFile>& files() const noexcept { return files_; }
  /// Null where there is none of that name.
  [[nodiscard]] const GgufTensor* find(std::string_view name) const;
  /// By name.
  [[nodiscard]] const std::map<std::string, const GgufTensor*, std::less<>>& tensors() const noexcept {
    return tensors_;
  }
  /// The file that holds a tensor of this name; it must be there.
  [[nodiscard]] const std::filesystem::path& file_of(std::string_view name) const;

 private:
  void open_parts(const std::filesystem::path& first, Index count);
  void list_tensors();

  std::vector<GgufFile> files_;
  std::map<std::string, const GgufTensor*, std::less<>> tensors_;
};

/// Whether a path is meant as a GGUF file: no folder, and called so.
bool is_gguf_path(const std::filesystem::path& path);

}  // namespace lorry::io
