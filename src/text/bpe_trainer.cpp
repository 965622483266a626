#include "text/bpe_trainer.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "text/byte_alphabet.hpp"
#include "text/new_tokens.hpp"
#include "text/pair_merger.hpp"
#include "text/pre_tokenizer.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

using Json = nlohmann::ordered_json;

constexpr Index kByteValues = 256;

constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string_view pattern_text(WordPattern pattern) {
  return pattern == WordPattern::kGpt2 ? kGpt2Pattern : kLlama3Pattern;
}

std::string spelled(std::string_view bytes) {
  std::string out;
  append_byte_chars(out, bytes);
  return out;
}

struct Trained {
  std::vector<std::string> tokens;                            // [tokens] raw bytes: 256 bytes, then merges
  std::vector<std::pair<std::int32_t, std::int32_t>> merges;  // indices into tokens
};

Trained train(const StringMap<std::int64_t>& words, const BpeTrainer::Config& config) {
  PairMerger merger;
  for (const auto& [word, count] : words) {
    std::vector<std::int32_t> symbols;
    for (const char byte : word) symbols.push_back(static_cast<std::uint8_t>(byte));
    merger.add_word(std::move(symbols), count);
  }
  merger.count_pairs();

  Trained result;
  StringMap<bool> taken;  // spellings that no merge may make a second time
  for (const std::string& token : config.special_tokens) taken.emplace(token, true);
  for (Index b = 0; b < kByteValues; ++b) result.tokens.emplace_back(1, static_cast<char>(b));
  const Index wanted = config.vocab_size - std::ssize(config.special_tokens);
  while (std::ssize(result.tokens) < wanted) {
    const auto pair = merger.pop_best(std::max<Index>(1, config.min_count));
    if (!pair) break;
    std::string joined = result.tokens[static_cast<std::size_t>(pair->left)] +
                         result.tokens[static_cast<std::size_t>(pair->right)];
    if (std::ssize(joined) > config.max_token_bytes || !taken.emplace(spelled(joined), true).second) continue;
    merger.merge(*pair, static_cast<std::int32_t>(result.tokens.size()));
    result.tokens.push_back(std::move(joined));
    result.merges.emplace_back(pair->left, pair->right);
  }
  return result;
}

Json byte_level(bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json pre_tokenizer_json(WordPattern pattern) {
  if (pattern == WordPattern::kGpt2) return byte_level(true);
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", pattern_text(pattern)}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

// BOS before the text, and before each text of a pair.
Json post_processor_json(const std::string& bos, Index bos_id) {
  if (bos.empty()) return byte_level(true);
  const auto special = [&bos](int type) { return Json{{"SpecialToken", {{"id", bos}, {"type_id", type}}}}; };
  const auto text = [](const char* id, int type) {
    return Json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  return {{"type", "TemplateProcessing"},
          {"single", Json::array({special(0), text("A", 0)})},
          {"pair", Json::array({special(0), text("A", 0), special(1), text("B", 1)})},
          {"special_tokens",
           {{bos, {{"id", bos}, {"ids", Json::array({bos_id})}, {"tokens", Json::array({bos})}}}}}};
}

Json model_json(const Trained& trained, const BpeTrainer::Config& config) {
  Json::object_t vocab;  // filled as a list: its [] would search it for every token
  Index next = 0;
  for (const std::string& token : config.special_tokens) vocab.emplace_back(token, Json(next++));
  std::vector<std::string> spellings;
  for (const std::string& token : trained.tokens) {
    spellings.push_back(spelled(token));
    vocab.emplace_back(spellings.back(), Json(next++));
  }
  Json merges = Json::array();
  for (const auto& [left, right] : trained.merges) {
    merges.push_back(spellings[static_cast<std::size_t>(left)] + " " +
                     spellings[static_cast<std::size_t>(right)]);
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", config.pattern == WordPattern::kLlama3},
          {"vocab", std::move(vocab)},
          {"merges", std::move(merges)}};
}

Index special_id(const BpeTrainer::Config& config, const std::string& token) {
  const auto& all = config.special_tokens;
  return std::find(all.begin(), all.end(), token) - all.begin();
}

void check_special(const BpeTrainer::Config& config, const std::string& token, const char* field) {
  if (!token.empty() && special_id(config, token) == std::ssize(config.special_tokens)) {
    throw Error("[train tokenizer] {}: {} is not among the special tokens; expected one of them", field,
                token);
  }
}

}  // namespace

BpeTrainer::BpeTrainer(Config config)
    : config_(std::move(config)), word_pattern_(pattern_text(config_.pattern)) {
  const Index least = std::ssize(config_.special_tokens) + kByteValues;
  if (config_.vocab_size < least || config_.vocab_size > kMaxTokenId) {
    throw Error(
        "[train tokenizer] vocabulary size: {}; expected {} to {} (special tokens and 256 bytes at least)",
        config_.vocab_size, least, kMaxTokenId);
  }
  StringMap<bool> seen;
  for (const std::string& token : config_.special_tokens) {
    if (token.empty() || !is_valid_utf8(token) || !seen.emplace(token, true).second ||
        (decode_utf8(token, 0).length == std::ssize(token) && char_to_byte(decode_utf8(token, 0).value))) {
      throw Error(
          "[train tokenizer] special tokens: \"{}\"; expected different UTF-8 texts of two characters or "
          "more",
          token);
    }
  }
  check_special(config_, config_.bos_token, "bos_token");
  check_special(config_, config_.eos_token, "eos_token");
}

void BpeTrainer::add(std::string_view text) {
  const std::string valid = replace_invalid_utf8(text);
  const std::string_view all = valid;
  for (const Span& span : word_pattern_.find_all(all)) {
    const std::string_view word =
        all.substr(static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.end - span.begin));
    auto entry = words_.find(word);
    if (entry == words_.end()) entry = words_.emplace(std::string(word), 0).first;
    ++entry->second;
  }
}

std::string BpeTrainer::tokenizer_json() const {
  const Trained trained = train(words_, config_);
  Json added = Json::array();
  for (const std::string& token : config_.special_tokens) {
    added.push_back(special_token_entry<Json>(special_id(config_, token), token));
  }
  const Json document = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", std::move(added)},
      {"normalizer", nullptr},
      {"pre_tokenizer", pre_tokenizer_json(config_.pattern)},
      {"post_processor", post_processor_json(config_.bos_token, special_id(config_, config_.bos_token))},
      {"decoder", byte_level(true)},
      {"model", model_json(trained, config_)}};
  return document.dump(1) + "\n";
}

std::string BpeTrainer::tokenizer_config_json() const {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (!config_.bos_token.empty()) config["bos_token"] = config_.bos_token;
  if (!config_.eos_token.empty()) config["eos_token"] = config_.eos_token;
  return config.dump(1) + "\n";
}

}  // namespace lorry::text
