#include "fuzz/packed_readers.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include "core/error.hpp"
#include "model/bnb_weights.hpp"
#include "ops/ops.hpp"

namespace lorry::fuzz {

namespace {

constexpr Index kFormats = static_cast<Index>(BlockFormat::kInt8) + 1;

ops::Ops& one_thread() {
  static const std::unique_ptr<ops::Ops> ops = ops::make_cpu_ops(1);
  return *ops;
}

/// Takes bytes from the front.
class Bytes {
 public:
  explicit Bytes(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }

  Index next() { return static_cast<unsigned char>(take<char>(1).front()); }

  /// A copy that ends where the memory does, so that reading past it shows.
  template <class T>
  std::vector<T> take(Index count) {
    const auto size = static_cast<std::size_t>(count) * sizeof(T);
    if (size > bytes_.size() - at_) throw Error("[fuzz] found {} bytes; expected more", bytes_.size());
    std::vector<T> taken(static_cast<std::size_t>(count));
    std::memcpy(taken.data(), bytes_.data() + at_, size);
    at_ += size;
    return taken;
  }

 private:
  std::vector<char> bytes_;
  std::size_t at_ = 0;
};

/// A matrix and what it borrows.
struct PackedInput {
  PackedMatrix matrix;
  std::vector<std::byte> codes;
  std::vector<float> floats;         // absmax, or what nested scales have
  std::vector<std::uint8_t> nested;  // quantised scales
};

void take_nf4_scales(Bytes& bytes, bool nested, PackedInput& input) {
  Nf4Scales scales;
  const std::vector<float> map = bytes.take<float>(16);
  std::copy(map.begin(), map.end(), scales.map.begin());
  const Index blocks = (input.matrix.rows * input.matrix.cols + 63) / 64;
  if (nested) {
    input.nested = bytes.take<std::uint8_t>(blocks);
    input.floats = bytes.take<float>((blocks + 255) / 256);
    scales.nested = input.nested.data();
    scales.nested_absmax = input.floats.data();
    for (std::size_t i = 0; i < scales.nested_map.size(); ++i) {
      scales.nested_map[i] = static_cast<float>(i) / 255.0F;
    }
  } else {
    input.floats = bytes.take<float>(blocks);
    scales.absmax = input.floats.data();
  }
  input.matrix.scales = scales;
}

PackedInput take_matrix(Bytes& bytes) {
  PackedInput input;
  PackedMatrix& matrix = input.matrix;
  matrix.format = static_cast<BlockFormat>(bytes.next() % kFormats);
  const Index flags = bytes.next();
  matrix.rows = 1 + bytes.next() % 8;
  const Index width = bytes.next();
  const BlockFacts& facts = facts_of(matrix.format);
  const bool beside = matrix.format == BlockFormat::kNf4 || matrix.format == BlockFormat::kInt8;
  matrix.cols = facts.elements == 1 || beside ? 1 + width : facts.elements * (1 + width % 4);
  if ((flags & 2) != 0 && matrix.rows % 4 == 0 && !beside) matrix.interleaved_head = 4;
  const Index elements = matrix.rows * matrix.cols;
  input.codes =
      bytes.take<std::byte>((elements + facts.elements - 1) / facts.elements * facts.bytes -
                            (matrix.format == BlockFormat::kNf4 ? (64 - elements % 64) % 64 / 2 : 0));
  matrix.codes = input.codes;
  if (matrix.format == BlockFormat::kNf4) take_nf4_scales(bytes, (flags & 1) != 0, input);
  if (matrix.format == BlockFormat::kInt8) {
    input.floats = bytes.take<float>(matrix.rows);
    matrix.scales = RowScales{.absmax = input.floats.data()};
  }
  return input;
}

/// The same bits, or both not a number.
void check_same(float got, float want) {
  if (std::isnan(got) && std::isnan(want)) return;
  if (std::bit_cast<std::uint32_t>(got) != std::bit_cast<std::uint32_t>(want)) {
    throw std::logic_error("a kernel unpacks another number than the reference");
  }
}

/// By kernels, against the reference.
void check_copy(WeightView weight) {
  Matrix floats(weight.rows, weight.cols);
  Matrix rounded(weight.rows, weight.cols, DType::kBF16);
  one_thread().copy(weight, floats);
  one_thread().copy(weight, rounded);
  std::vector<float> row(static_cast<std::size_t>(weight.cols));
  for (Index i = 0; i < weight.rows; ++i) {
    weight.read_row(i, row.data());
    for (Index j = 0; j < weight.cols; ++j) {
      const float want = row[static_cast<std::size_t>(j)];
      check_same(floats.row<float>(i)[j], want);
      check_same(to_float(rounded.row<BF16>(i)[j]), to_float(to_bf16(want)));
    }
  }
}

/// y = x W^T for as many rows of x; its numbers are the business of other tests.
void multiply(WeightView weight, Index rows) {
  Matrix x(rows, weight.cols);
  std::fill_n(x.row<float>(0), x.size(), 0.5F);
  Matrix y(rows, weight.rows);
  one_thread().matmul(x, weight, y, {.transpose_b = true});
}

}  // namespace

void read_packed(const std::filesystem::path& path) {
  Bytes bytes(path);
  const PackedInput input = take_matrix(bytes);
  const WeightView whole(&input.matrix);
  check_copy(whole);
  check_copy(whole.row_range(whole.rows / 2, whole.rows - whole.rows / 2));
  const Index block = facts_of(input.matrix.format).elements;
  const bool blocks_in_rows = whole.cols % block == 0;
  const Index first = blocks_in_rows ? whole.cols / block / 2 * block : whole.cols / 2;
  check_copy(whole.col_range(first, whole.cols - first));
  for (const Index rows : {1, 3, 6}) multiply(whole, rows);
}

void read_bitsandbytes(const std::filesystem::path& path) {
  const io::TensorFolder folder(path.parent_path());
  bool any = false;
  for (const std::string& name : folder.names()) {
    const io::TensorView& tensor = folder.at(name);
    if (!name.ends_with(".weight") || tensor.shape.size() != 2) continue;
    const std::optional<model::BnbFormat> format = model::bnb_format_of(folder, tensor);
    if (!format) continue;
    // NF4's sizes stand in its JSON, which must agree with those of the model: here these.
    model::TensorSpec spec{.name = name, .shape = {3, 64}, .kind = model::TensorKind::kLinear};
    if (*format == model::BnbFormat::kInt8) spec.shape = tensor.shape;
    if (spec.rows() < 1 || spec.cols() < 1) continue;
    model::Weights weights;
    std::set<std::string_view> read;
    model::add_bnb_matrix(folder, spec, tensor, *format, weights, read);
    check_copy(weights.at(name));
    any = true;
  }
  if (!any) throw Error("[fuzz] {}: found no quantised matrix; expected one", path.string());
}

}  // namespace lorry::fuzz
