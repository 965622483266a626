#include "model/gguf_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "io/message_text.hpp"
#include "model/gguf_merges.hpp"
#include "model/gguf_pre_tokenizers.hpp"
#include "text/new_tokens.hpp"
#include "text/utf8.hpp"

namespace lorry::model {

namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kScores = "tokenizer.ggml.scores";
constexpr const char* kTypes = "tokenizer.ggml.token_type";
constexpr const char* kMerges = "tokenizer.ggml.merges";
constexpr std::string_view kSpace = "\xE2\x96\x81";  // SentencePiece's mark for one
constexpr Index kLongestToken = 4096;                // bytes: splitting one takes its square

/// As tokenizer.ggml.token_type numbers them.
struct TokenType {
  enum Number : Index { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };
};

class GgufTokenizerReader {
 public:
  explicit GgufTokenizerReader(const io::GgufMetadata& data) : data_(data), tokens_(read_tokens()) {}

  GgufTokenizer read() {
    read_types();
    const std::string& kind = data_.get_string("tokenizer.ggml.model");
    json_ = {{"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}};
    bool add_bos = false;
    if (kind == "gpt2") {
      add_bos = put_byte_level();
    } else if (kind == "llama") {
      put_sentence_piece();
      add_bos = true;
    } else {
      data_.fail("tokenizer.ggml.model", io::in_quotes(kind), "gpt2 or llama");
    }
    put_added_tokens();
    settings_.bos_token = special("bos");
    settings_.eos_token = special("eos");
    settings_.add_bos_token = data_.find_bool("tokenizer.ggml.add_bos_token").value_or(add_bos);
    if (const std::string* jinja = data_.find_string("tokenizer.chat_template")) {
      if (!text::is_valid_utf8(*jinja))
        data_.fail("tokenizer.chat_template", "bytes that are not UTF-8", "UTF-8");
      settings_.chat_template = *jinja;
    }
    put_post_processor();
    return {.json = std::move(json_), .settings = std::move(settings_)};
  }

 private:
  [[nodiscard]] const std::vector<std::string>& read_tokens() const {
    const std::vector<std::string>* const tokens = data_.find_strings(kTokens);
    if (tokens == nullptr || tokens->empty()) data_.fail(kTokens, "nothing", "a list of texts");
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < tokens->size(); ++i) {
      const std::string& token = (*tokens)[i];
      if (!text::is_valid_utf8(token)) fail_token(i, "that is not UTF-8", "valid UTF-8");
      if (std::ssize(token) > kLongestToken) {
        fail_token(i, fmt::format("of {} bytes", token.size()), fmt::format("at most {}", kLongestToken));
      }
      if (!seen.insert(token).second) {
        fail_token(i, io::in_quotes(token) + ", which stands before", "every token once");
      }
    }
    return *tokens;
  }

  [[noreturn]] void fail_token(std::size_t i, const std::string& what, std::string_view expected) const {
    data_.fail(kTokens, fmt::format("token {} {}", i, what), expected);
  }

  void check_length(const char* key, std::size_t length) const {
    if (length == tokens_.size()) return;
    data_.fail(key, fmt::format("{} entries", length),
               fmt::format("{}, as there are tokens", tokens_.size()));
  }

  void read_types() {
    types_.assign(tokens_.size(), TokenType::kNormal);
    if (const std::vector<Index>* types = data_.find_indices(kTypes)) {
      check_length(kTypes, types->size());
      types_ = *types;
      return;
    }
    for (const char* name : {"bos", "eos", "unknown", "padding"}) {
      if (const auto id = token_id(name)) types_[static_cast<std::size_t>(*id)] = TokenType::kControl;
    }
  }

  [[nodiscard]] std::optional<Index> token_id(std::string_view name) const {
    return data_.find_index(fmt::format("tokenizer.ggml.{}_token_id", name), 0, std::ssize(tokens_) - 1);
  }

  [[nodiscard]] std::optional<std::string> special(std::string_view name) const {
    const std::optional<Index> id = token_id(name);
    return id ? std::optional(tokens_[static_cast<std::size_t>(*id)]) : std::nullopt;
  }

  [[nodiscard]] io::Json vocabulary() const {
    io::Json vocabulary = io::Json::object();
    for (std::size_t i = 0; i < tokens_.size(); ++i) vocabulary[tokens_[i]] = i;
    return vocabulary;
  }

  /// Whether texts begin with BOS where the file does not say.
  bool put_byte_level() {
    const std::string* const name = data_.find_string("tokenizer.ggml.pre");
    const bool gpt2 = data_.get_string("general.architecture") == "gpt2";
    if (name == nullptr && !gpt2) data_.fail("tokenizer.ggml.pre", "nothing", "the name of one");
    GgufPreTokenizer pre = gguf_pre_tokenizer(name == nullptr ? "" : *name, data_.file());
    const std::vector<std::string>* const merges = data_.find_strings(kMerges);
    if (merges == nullptr) data_.fail(kMerges, "nothing", "a list of texts");
    for (const std::string& merge : *merges) {
      if (!text::is_valid_utf8(merge)) data_.fail(kMerges, "a merge that is not UTF-8", "valid UTF-8");
    }
    json_["normalizer"] = std::move(pre.normalizer);
    json_["pre_tokenizer"] = std::move(pre.pre_tokenizer);
    json_["decoder"] = {
        {"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
    json_["model"] = {{"type", "BPE"},         {"dropout", nullptr},     {"unk_token", nullptr},
                      {"fuse_unk", false},     {"byte_fallback", false}, {"ignore_merges", pre.ignore_merges},
                      {"vocab", vocabulary()}, {"merges", *merges}};
    return pre.add_bos;
  }

  [[nodiscard]] io::Json ranked_pairs() const {
    const std::vector<double>* const scores = data_.find_numbers(kScores);
    if (scores == nullptr) data_.fail(kScores, "nothing", "a list of numbers");
    check_length(kScores, scores->size());
    for (const double score : *scores) {
      if (!std::isfinite(score)) data_.fail(kScores, fmt::format("{}", score), "finite numbers");
    }
    std::vector<bool> skip;
    for (const Index type : types_)
      skip.push_back(type == TokenType::kUnknown || type == TokenType::kControl || type == TokenType::kByte);
    io::Json pairs = io::Json::array();
    for (const auto& [left, right] : merges_by_score(tokens_, *scores, skip)) {
      pairs.push_back(io::Json::array({left, right}));
    }
    return pairs;
  }

  void put_sentence_piece() {
    const bool prefix = data_.find_bool("tokenizer.ggml.add_space_prefix").value_or(true);
    io::Json steps = io::Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", kSpace}});
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}});
    json_["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
    json_["pre_tokenizer"] = nullptr;
    io::Json back = io::Json::array();
    back.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}});
    back.push_back({{"type", "ByteFallback"}});
    back.push_back({{"type", "Fuse"}});
    if (prefix) back.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    json_["decoder"] = {{"type", "Sequence"}, {"decoders", std::move(back)}};
    io::Json unknown = nullptr;
    if (const std::optional<std::string> token = special("unknown")) unknown = *token;
    json_["model"] = {{"type", "BPE"},         {"dropout", nullptr},      {"unk_token", std::move(unknown)},
                      {"fuse_unk", true},      {"byte_fallback", true},   {"ignore_merges", false},
                      {"vocab", vocabulary()}, {"merges", ranked_pairs()}};
  }

  void put_added_tokens() {
    io::Json added = io::Json::array();
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Index type = types_[i];
      if ((type != TokenType::kUnknown && type != TokenType::kControl && type != TokenType::kUserDefined) ||
          tokens_[i].empty())
        continue;
      io::Json entry = text::special_token_entry<io::Json>(static_cast<Index>(i), tokens_[i]);
      entry["special"] = type != TokenType::kUserDefined;
      added.push_back(std::move(entry));
    }
    json_["added_tokens"] = std::move(added);
  }

  void put_post_processor() {
    const bool add_bos = *settings_.add_bos_token && settings_.bos_token.has_value();
    const bool add_eos =
        data_.find_bool("tokenizer.ggml.add_eos_token").value_or(false) && settings_.eos_token.has_value();
    json_["post_processor"] = nullptr;
    if (!add_bos && !add_eos) return;
    io::Json single = io::Json::array();
    io::Json specials = io::Json::object();
    const auto put = [&](const std::string& token, Index id) {
      single.push_back({{"SpecialToken", {{"id", token}, {"type_id", 0}}}});
      specials[token] = {{"id", token}, {"ids", io::Json::array({id})}, {"tokens", io::Json::array({token})}};
    };
    if (add_bos) put(*settings_.bos_token, *token_id("bos"));
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    if (add_eos) put(*settings_.eos_token, *token_id("eos"));
    json_["post_processor"] = {{"type", "TemplateProcessing"},
                               {"single", std::move(single)},
                               {"pair", io::Json::array()},
                               {"special_tokens", std::move(specials)}};
  }

  const io::GgufMetadata& data_;
  const std::vector<std::string>& tokens_;
  std::vector<Index> types_;
  io::Json json_;
  text::TokenizerConfig settings_;
};

}  // namespace

GgufTokenizer gguf_tokenizer(const io::GgufMetadata& metadata) {
  return GgufTokenizerReader(metadata).read();
}

text::Tokenizer load_gguf_tokenizer(const std::filesystem::path& path) {
  GgufTokenizer found = gguf_tokenizer(io::GgufFile(path).metadata());
  return text::Tokenizer::from_json(found.json, path, std::move(found.settings));
}

text::Tokenizer::Extended load_gguf_tokenizer_with(const std::filesystem::path& path,
                                                   const std::vector<std::string>& tokens) {
  GgufTokenizer found = gguf_tokenizer(io::GgufFile(path).metadata());
  return text::Tokenizer::from_json_with(std::move(found.json), path, std::move(found.settings), tokens);
}

io::OrderedJson gguf_tokenizer_config(const std::filesystem::path& path) {
  const text::TokenizerConfig settings = gguf_tokenizer(io::GgufFile(path).metadata()).settings;
  io::OrderedJson json = io::OrderedJson::object();
  if (settings.add_bos_token) json["add_bos_token"] = *settings.add_bos_token;
  if (settings.bos_token) json["bos_token"] = *settings.bos_token;
  if (settings.chat_template) json["chat_template"] = *settings.chat_template;
  if (settings.eos_token) json["eos_token"] = *settings.eos_token;
  json["tokenizer_class"] = "PreTrainedTokenizerFast";
  return json;
}

}  // namespace lorry::model
