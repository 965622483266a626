#include "model/bnb_format.hpp"

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/error.hpp"
#include "io/json_fields.hpp"
#include "model/bnb_numbers.hpp"

namespace lorry::model {

namespace {

constexpr std::size_t kLongestNumber = 24;  // characters of a double
constexpr const char* kConfigField = "quantization_config";

std::string nf4_state_with(Index rows, Index cols, const BnbOptions& options, std::string_view offset) {
  std::string text =
      fmt::format(R"({{"quant_type": "nf4", "blocksize": {}, "dtype": "{}", "shape": [{}, {}])", kNf4Block,
                  torch_name(options.dtype), rows, cols);
  if (options.double_quant) {
    text += fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {})",
                        kNestedBlock, offset);
  }
  return text + "}";
}

}  // namespace

std::string_view torch_name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "float32";
    case DType::kF16:
      return "float16";
    case DType::kBF16:
      return "bfloat16";
    default:
      check_failed(__FILE__, __LINE__, "no float type");
  }
}

std::string nf4_state(Index rows, Index cols, const BnbOptions& options, float offset) {
  std::string text = nf4_state_with(rows, cols, options, fmt::format("{}", static_cast<double>(offset)));
  text.resize(nf4_state_with(rows, cols, options, std::string(kLongestNumber, '0')).size(), ' ');
  return text;
}

std::vector<io::TensorSpec> bnb_specs(const std::string& name, Index rows, Index cols,
                                      const BnbOptions& options) {
  if (options.format == BnbFormat::kInt8) {
    const std::string module = name.substr(0, name.rfind('.'));
    return {{name, DType::kI8, {rows, cols}},
            {module + std::string(kRowScalesEnding), DType::kF32, {rows}},
            {module + std::string(kWeightFormatEnding), DType::kU8, {}}};
  }
  const Index elements = rows * cols;
  const Index blocks = (elements + kNf4Block - 1) / kNf4Block;
  const auto state = static_cast<Index>(nf4_state(rows, cols, options, 0.0F).size());
  const auto with = [&](std::string_view ending) { return name + std::string(ending); };
  std::vector<io::TensorSpec> specs = {{name, DType::kU8, {(elements + 1) / 2, 1}},
                                       {with(kMapEnding), DType::kF32, {std::ssize(kNf4Map)}},
                                       {with(kNf4StateEnding), DType::kU8, {state}}};
  if (!options.double_quant) {
    specs.push_back({with(kAbsmaxEnding), DType::kF32, {blocks}});
    return specs;
  }
  specs.push_back({with(kAbsmaxEnding), DType::kU8, {blocks}});
  specs.push_back({with(kNestedAbsmaxEnding), DType::kF32, {(blocks + kNestedBlock - 1) / kNestedBlock}});
  specs.push_back({with(kNestedMapEnding), DType::kF32, {static_cast<Index>(nested_map().size())}});
  return specs;
}

io::OrderedJson quantization_config(const BnbOptions& options) {
  const bool nf4 = options.format == BnbFormat::kNf4;
  return {{"_load_in_4bit", nf4},
          {"_load_in_8bit", !nf4},
          {"bnb_4bit_compute_dtype", torch_name(options.dtype)},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", nf4 ? "nf4" : "fp4"},  // fp4: transformers' default, of no meaning here
          {"bnb_4bit_use_double_quant", nf4 && options.double_quant},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", nullptr},
          {"llm_int8_threshold", 6.0},
          {"load_in_4bit", nf4},
          {"load_in_8bit", !nf4},
          {"quant_method", "bitsandbytes"}};
}

bool is_bnb_quantized(const io::Json& config, std::string_view file) {
  if (io::find_field(config, kConfigField, file) == nullptr) return false;
  const io::Json& fields = io::get_object(config, kConfigField, file);
  const auto within = [](std::string_view field) { return fmt::format("{}.{}", kConfigField, field); };
  if (const io::Json* method = io::find_field(fields, "quant_method", file);
      method != nullptr && *method != "bitsandbytes") {
    io::throw_field_error(file, within("quant_method"), method, "\"bitsandbytes\"");
  }
  const bool in_4bit = io::find_bool(fields, "load_in_4bit", file).value_or(false);
  const bool in_8bit = io::find_bool(fields, "load_in_8bit", file).value_or(false);
  if (in_4bit == in_8bit) {
    throw Error("[load] {}: field \"{}\": found load_in_4bit and load_in_8bit both {}; expected one of them",
                file, kConfigField, in_4bit ? "true" : "false");
  }
  if (in_4bit && io::find_string(fields, "bnb_4bit_quant_type", file).value_or("fp4") != "nf4") {
    io::throw_field_error(file, within("bnb_4bit_quant_type"),
                          io::find_field(fields, "bnb_4bit_quant_type", file), "\"nf4\"");
  }
  return true;
}

bool is_quantizable(const TensorSpec& spec, const ModelConfig& config) {
  return spec.kind == TensorKind::kLinear && spec.module() != config.names.head;
}

}  // namespace lorry::model
