// Reading the field "model" of tokenizer.json.
#include <fmt/format.h>

#include "text/bpe.hpp"

namespace lorry::text {

namespace {

void refuse_affix(const JsonField& model, const char* key) {
  if (!model.string_or(key, "").empty()) model.at(key).fail("null or \"\"");
}

}  // namespace

Bpe::Bpe(const JsonField& model) {
  // Files of before 2020 leave the type out.
  if (model.has("type") && model.at("type").string() != "BPE") model.at("type").fail("BPE");
  if (model.has("dropout") && model.at("dropout").raw() != 0.0) model.at("dropout").fail("null or 0");
  refuse_affix(model, "continuing_subword_prefix");
  refuse_affix(model, "end_of_word_suffix");
  fuse_unknown_ = model.boolean_or("fuse_unk", false);
  byte_fallback_ = model.boolean_or("byte_fallback", false);
  ignore_merges_ = model.boolean_or("ignore_merges", false);
  read_vocabulary(model.at("vocab"));
  read_merges(model.at("merges"));
  if (model.has("unk_token")) {
    const std::string token = model.at("unk_token").string();
    unknown_ = vocabulary_.id(token);
    if (!unknown_) missing_unknown_ = token;
  }
  for (std::size_t byte = 0; byte < byte_ids_.size(); ++byte) {
    byte_ids_[byte] = vocabulary_.id(fmt::format("<0x{:02X}>", byte));
  }
}

void Bpe::read_vocabulary(const JsonField& field) {
  if (!field.is_object()) field.fail("an object from token to id");
  for (const auto& [token, value] : field.raw().items()) {
    const JsonField entry(value, field.file(),
                          "model.vocab[" + nlohmann::json(token).dump(-1, ' ', true) + "]");
    const auto id = static_cast<std::int32_t>(entry.integer(0, kMaxTokenId));
    if (!vocabulary_.add(token, id)) entry.fail("an id that no other token has");
  }
}

void Bpe::read_merges(const JsonField& field) {
  const Index count = field.size();
  merges_ = MergeTable(count);
  merged_ids_.reserve(static_cast<std::size_t>(count));
  std::int32_t rank = 0;
  for (Index i = 0; i < count; ++i) {
    const JsonField entry = field.element(i);
    if (!entry.is_string()) {
      if (entry.size() != 2) entry.fail("a pair of tokens");
      add_merge(entry, entry.element(0).string(), entry.element(1).string(), rank++);
      continue;
    }
    const std::string line = entry.string();
    if (line.starts_with("#version")) continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      entry.fail("two tokens with one space between");
    }
    add_merge(entry, line.substr(0, space), line.substr(space + 1), rank++);
  }
}

void Bpe::add_merge(const JsonField& entry, const std::string& left, const std::string& right,
                    std::int32_t rank) {
  const auto left_id = vocabulary_.id(left);
  const auto right_id = vocabulary_.id(right);
  const auto new_id = vocabulary_.id(left + right);
  if (!left_id || !right_id || !new_id) entry.fail("both parts and their union in model.vocab");
  merges_.set(*left_id, *right_id, {rank, *new_id});
  merged_ids_.push_back(*new_id);
}

}  // namespace lorry::text
