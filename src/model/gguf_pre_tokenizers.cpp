// The names are llama.cpp's (src/llama-vocab.cpp), the expressions those of the tokenizer.json of the models
// they stand for.
#include "model/gguf_pre_tokenizers.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.hpp"
#include "io/message_text.hpp"

namespace lorry::model {

namespace {

enum class WordCut { kGpt2, kLlama3, kQwen2, kSmolLm, kTekken };

struct NamedCut {
  std::string_view name;
  WordCut cut;
};

constexpr std::array kNamedCuts = {
    NamedCut{"gpt-2", WordCut::kGpt2},
    NamedCut{"phi-2", WordCut::kGpt2},
    NamedCut{"mpt", WordCut::kGpt2},
    NamedCut{"olmo", WordCut::kGpt2},
    NamedCut{"llama-bpe", WordCut::kLlama3},
    NamedCut{"llama3", WordCut::kLlama3},
    NamedCut{"llama-v3", WordCut::kLlama3},
    NamedCut{"qwen2", WordCut::kQwen2},
    NamedCut{"deepseek-r1-qwen", WordCut::kQwen2},
    NamedCut{"megrez", WordCut::kQwen2},
    NamedCut{"smollm", WordCut::kSmolLm},
    NamedCut{"starcoder", WordCut::kSmolLm},
    NamedCut{"refact", WordCut::kSmolLm},
    NamedCut{"tekken", WordCut::kTekken},
};

constexpr std::string_view kLlama3Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenWords =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

io::Json byte_level(bool own_pattern) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", own_pattern}};
}

io::Json in_sequence(io::Json first, io::Json second) {
  io::Json parts = io::Json::array();
  parts.push_back(std::move(first));
  parts.push_back(std::move(second));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(parts)}};
}

io::Json split_by(std::string_view pattern) {
  const io::Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
  return in_sequence(split, byte_level(false));
}

}  // namespace

GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, const std::string& file) {
  const auto found = std::find_if(kNamedCuts.begin(), kNamedCuts.end(),
                                  [&](const NamedCut& one) { return one.name == name; });
  if (!name.empty() && found == kNamedCuts.end()) {
    std::vector<std::string_view> names;
    names.reserve(kNamedCuts.size());
    for (const NamedCut& one : kNamedCuts) names.push_back(one.name);
    throw Error("[load] {}: key \"tokenizer.ggml.pre\": found {}; supported: {}", file, io::in_quotes(name),
                fmt::join(names, ", "));
  }
  switch (name.empty() ? WordCut::kGpt2 : found->cut) {
    case WordCut::kLlama3:
      return {.pre_tokenizer = split_by(kLlama3Words), .ignore_merges = true, .add_bos = true};
    case WordCut::kQwen2:
      return {.normalizer = {{"type", "NFC"}}, .pre_tokenizer = split_by(kQwen2Words)};
    case WordCut::kSmolLm:
      return {.pre_tokenizer =
                  in_sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true))};
    case WordCut::kTekken:
      return {.pre_tokenizer = split_by(kTekkenWords), .ignore_merges = true, .add_bos = true};
    default:
      return {.pre_tokenizer = byte_level(true)};
  }
}

}  // namespace lorry::model
