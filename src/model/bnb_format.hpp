// model/bnb_format.hpp: how bitsandbytes spells a quantised matrix in a safetensors file, and transformers
// the model in config.json. What the numbers are: model/bnb_numbers.hpp.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/json_file.hpp"
#include "io/safetensors_writer.hpp"
#include "model/tensor_list.hpp"

namespace lorry::model {

// Beside "X.weight", whose codes lie in that tensor itself.
inline constexpr std::string_view kAbsmaxEnding = ".absmax";  // F32, or U8 where quantised too
inline constexpr std::string_view kMapEnding = ".quant_map";  // F32 [16]
inline constexpr std::string_view kNestedAbsmaxEnding = ".nested_absmax";
inline constexpr std::string_view kNestedMapEnding = ".nested_quant_map";  // F32 [256]
inline constexpr std::string_view kNf4StateEnding = ".quant_state.bitsandbytes__nf4";
inline constexpr std::string_view kFp4StateEnding = ".quant_state.bitsandbytes__fp4";
// Beside an int8 "X.weight", by the name of the module: "X.SCB".
inline constexpr std::string_view kRowScalesEnding = ".SCB";               // F32 [out]
inline constexpr std::string_view kWeightFormatEnding = ".weight_format";  // U8, a scalar: 0 for rows

enum class BnbFormat { kNf4, kInt8 };

struct BnbOptions {
  BnbFormat format = BnbFormat::kNf4;
  bool double_quant = true;    // NF4: its scales are quantised too
  DType dtype = DType::kBF16;  // what bitsandbytes unpacks into: the type that the weights had
};

/// "float32", "float16" or "bfloat16".
std::string_view torch_name(DType dtype);

/// The tensors that matrix `name`, [rows, cols], becomes.
std::vector<io::TensorSpec> bnb_specs(const std::string& name, Index rows, Index cols,
                                      const BnbOptions& options);

/// The JSON in the tensor of kNf4StateEnding, of the length that bnb_specs says, which does not depend on the
/// offset: blanks fill it up.
std::string nf4_state(Index rows, Index cols, const BnbOptions& options, float offset);

/// config.json's quantization_config, as transformers writes it.
io::OrderedJson quantization_config(const BnbOptions& options);

/// Whether config.json says that bitsandbytes quantised the model. Throws Error naming the field for other
/// methods, and for FP4.
bool is_bnb_quantized(const io::Json& config, std::string_view file);

/// Whether quantising changes this tensor: a linear map of a block. transformers leaves the head, too.
bool is_quantizable(const TensorSpec& spec, const ModelConfig& config);

}  // namespace lorry::model
