#include "model/bnb_weights.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "io/message_text.hpp"
#include "model/bnb_numbers.hpp"

namespace lorry::model {

namespace {

constexpr std::size_t kMostStateBytes = 4096;

/// Finds and checks the tensors that one matrix is made of.
class Parts {
 public:
  Parts(const io::TensorFolder& folder, const TensorSpec& spec, Weights& weights,
        std::set<std::string_view>& read)
      : folder_(folder), spec_(spec), weights_(weights), read_(read) {}

  /// The tensor of that name, or nullptr; it counts as read.
  const io::TensorView* find(const std::string& name) {
    const io::TensorView* tensor = folder_.find(name);
    if (tensor != nullptr) read_.insert(tensor->name);
    return tensor;
  }

  const io::TensorView& get(const std::string& name, DType dtype, Index elements) {
    const io::TensorView* tensor = find(name);
    if (tensor == nullptr) {
      throw Error("[load] {}: tensor {} is missing; expected beside \"{}\", which bitsandbytes quantised",
                  folder_.path().string(), io::in_quotes(name), spec_.name);
    }
    if (tensor->dtype != dtype) refuse(*tensor, name_of(tensor->dtype), name_of(dtype));
    if (tensor->elements() != elements) {
      refuse(*tensor, fmt::format("[{}]", fmt::join(tensor->shape, ",")),
             fmt::format("{} element{}, which \"{}\" of [{}] has", elements, elements == 1 ? "" : "s",
                         spec_.name, fmt::join(spec_.shape, ",")));
    }
    return *tensor;
  }

  /// In place, or copied where the file has it misaligned.
  const float* floats(const std::string& name, Index elements) {
    const io::TensorView& tensor = get(name, DType::kF32, elements);
    if (tensor.aligned()) return reinterpret_cast<const float*>(tensor.bytes.data());
    Matrix copy(1, elements);
    std::memcpy(copy.view().data, tensor.bytes.data(), tensor.bytes.size());
    const float* const data = copy.row<float>(0);
    weights_.keep(std::move(copy));
    return data;
  }

  template <std::size_t N>
  std::array<float, N> map(const std::string& name) {
    const io::TensorView& tensor = get(name, DType::kF32, N);
    std::array<float, N> values{};
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
      refuse(tensor, "a number that is not finite", "finite ones");
    }
    return values;
  }

  [[noreturn]] void refuse(const io::TensorView& tensor, std::string_view found,
                           std::string_view expected) const {
    throw Error("[load] {}: tensor {}: found {}; expected {}", folder_.file_of(tensor.name).path().string(),
                io::in_quotes(tensor.name), found, expected);
  }

 private:
  const io::TensorFolder& folder_;
  const TensorSpec& spec_;
  Weights& weights_;
  std::set<std::string_view>& read_;
};

/// What the JSON of an NF4 matrix says, checked.
struct Nf4State {
  bool nested = false;
  float offset = 0.0F;
};

Nf4State read_state(const io::TensorFolder& folder, const TensorSpec& spec, const io::TensorView& tensor,
                    const Parts& parts) {
  if (tensor.dtype != DType::kU8) parts.refuse(tensor, name_of(tensor.dtype), "U8");
  if (tensor.bytes.size() > kMostStateBytes) {
    parts.refuse(tensor, fmt::format("{} bytes", tensor.bytes.size()),
                 fmt::format("at most {}", kMostStateBytes));
  }
  const std::string file = folder.file_of(tensor.name).path().string() + ": " + tensor.name;
  const std::string_view text(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  const io::Json json = io::parse_json(text, file);
  if (!json.is_object()) parts.refuse(tensor, fmt::format("a JSON {}", json.type_name()), "an object");
  const auto refuse = [&](const char* field, std::string_view expected) {
    io::throw_field_error(file, field, io::find_field(json, field, file), expected);
  };
  if (io::get_string(json, "quant_type", file) != "nf4") refuse("quant_type", "\"nf4\"");
  if (io::get_index(json, "blocksize", file) != kNf4Block) refuse("blocksize", fmt::format("{}", kNf4Block));
  const std::string dtype = io::get_string(json, "dtype", file);
  if (dtype != "float32" && dtype != "float16" && dtype != "bfloat16") {
    refuse("dtype", "\"float32\", \"float16\" or \"bfloat16\"");
  }
  if (io::get_array(json, "shape", file) != io::Json(spec.shape)) {
    refuse("shape", fmt::format("[{}]", fmt::join(spec.shape, ",")));
  }
  Nf4State state{.nested = io::find_field(json, "nested_blocksize", file) != nullptr};
  if (!state.nested) return state;
  if (io::get_index(json, "nested_blocksize", file) != kNestedBlock) {
    refuse("nested_blocksize", fmt::format("{}", kNestedBlock));
  }
  if (io::get_string(json, "nested_dtype", file) != "float32") refuse("nested_dtype", "\"float32\"");
  state.offset = static_cast<float>(io::get_number(json, "nested_offset", file));
  if (!std::isfinite(state.offset)) refuse("nested_offset", "a float32 number");
  return state;
}

PackedMatrix nf4_matrix(const io::TensorFolder& folder, const TensorSpec& spec, const io::TensorView& tensor,
                        Parts& parts) {
  const io::TensorView* state_tensor = parts.find(tensor.name + std::string(kNf4StateEnding));
  const Index elements = spec.rows() * spec.cols();
  const Index blocks = (elements + kNf4Block - 1) / kNf4Block;
  const auto bytes = static_cast<std::size_t>((elements + 1) / 2);
  // bnb_4bit_quant_storage may be another type than U8: the bytes are the same.
  if (tensor.bytes.size() != bytes) {
    parts.refuse(tensor, fmt::format("{} [{}]", name_of(tensor.dtype), fmt::join(tensor.shape, ",")),
                 fmt::format("U8 [{},1], the codes of [{}]", bytes, fmt::join(spec.shape, ",")));
  }
  if (state_tensor == nullptr) {
    parts.get(tensor.name + std::string(kNf4StateEnding), DType::kU8, 0);  // says that it is missing
  }
  const Nf4State state = read_state(folder, spec, *state_tensor, parts);
  Nf4Scales scales{.map = parts.map<16>(tensor.name + std::string(kMapEnding)),
                   .nested_block = kNestedBlock,
                   .offset = state.offset};
  const std::string absmax = tensor.name + std::string(kAbsmaxEnding);
  if (state.nested) {
    scales.nested = reinterpret_cast<const std::uint8_t*>(parts.get(absmax, DType::kU8, blocks).bytes.data());
    scales.nested_absmax = parts.floats(tensor.name + std::string(kNestedAbsmaxEnding),
                                        (blocks + kNestedBlock - 1) / kNestedBlock);
    scales.nested_map = parts.map<256>(tensor.name + std::string(kNestedMapEnding));
  } else {
    scales.absmax = parts.floats(absmax, blocks);
  }
  return {.format = BlockFormat::kNf4,
          .rows = spec.rows(),
          .cols = spec.cols(),
          .codes = tensor.bytes,
          .scales = scales};
}

PackedMatrix int8_matrix(const TensorSpec& spec, const io::TensorView& tensor, Parts& parts) {
  if (tensor.shape != spec.shape || tensor.dtype != DType::kI8) {
    parts.refuse(tensor, fmt::format("{} [{}]", name_of(tensor.dtype), fmt::join(tensor.shape, ",")),
                 fmt::format("I8 [{}]", fmt::join(spec.shape, ",")));
  }
  const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
  const std::string format_name = module + std::string(kWeightFormatEnding);
  if (parts.find(format_name) != nullptr) {  // absent in older files, which are by rows
    const io::TensorView& format = parts.get(format_name, DType::kU8, 1);
    const int value = std::to_integer<int>(format.bytes.front());
    constexpr std::array<std::string_view, 4> kNames = {"row", "col32", "col_turing", "col_ampere"};
    if (value != 0) {
      const auto known = static_cast<std::size_t>(value);
      parts.refuse(
          format,
          known < kNames.size() ? fmt::format("{} ({})", value, kNames[known]) : std::to_string(value),
          "0 (row)");
    }
  }
  return {.format = BlockFormat::kInt8,
          .rows = spec.rows(),
          .cols = spec.cols(),
          .codes = tensor.bytes,
          .scales = RowScales{.absmax = parts.floats(module + std::string(kRowScalesEnding), spec.rows())}};
}

}  // namespace

std::optional<BnbFormat> bnb_format_of(const io::TensorFolder& folder, const io::TensorView& tensor) {
  const auto has = [&](std::string_view ending) {
    return folder.find(tensor.name + std::string(ending)) != nullptr;
  };
  if (has(kFp4StateEnding)) {
    throw Error("[load] {}: tensor {}: found FP4; expected NF4 (bnb_4bit_quant_type \"nf4\")",
                folder.file_of(tensor.name).path().string(), io::in_quotes(tensor.name));
  }
  if (has(kNf4StateEnding) || has(kAbsmaxEnding) || has(kMapEnding)) return BnbFormat::kNf4;
  const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
  if (tensor.dtype == DType::kI8 || folder.find(module + std::string(kRowScalesEnding)) != nullptr) {
    return BnbFormat::kInt8;
  }
  return std::nullopt;
}

BnbOptions bnb_options_of(const io::TensorFolder& folder, const io::TensorView& tensor,
                          const PackedMatrix& matrix) {
  const auto* const nf4 = std::get_if<Nf4Scales>(&matrix.scales);
  if (nf4 == nullptr) return {.format = BnbFormat::kInt8};
  const io::TensorView& state = folder.at(tensor.name + std::string(kNf4StateEnding));
  const std::string_view text(reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size());
  const std::string dtype = io::get_string(io::parse_json(text, state.name), "dtype", state.name);
  BnbOptions options{.format = BnbFormat::kNf4, .double_quant = nf4->nested != nullptr};
  for (const DType known : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (dtype == torch_name(known)) options.dtype = known;
  }
  return options;
}

void add_bnb_matrix(const io::TensorFolder& folder, const TensorSpec& spec, const io::TensorView& tensor,
                    BnbFormat format, Weights& weights, std::set<std::string_view>& read) {
  Parts parts(folder, spec, weights, read);
  read.insert(tensor.name);
  weights.add(spec.name, format == BnbFormat::kNf4 ? nf4_matrix(folder, spec, tensor, parts)
                                                   : int8_matrix(spec, tensor, parts));
}

}  // namespace lorry::model
