#include "text/post_processor.hpp"

#include <algorithm>

#include "text/vocabulary.hpp"

namespace lorry::text {

namespace {}  // namespace

PostProcessor::PostProcessor(const JsonField& field, Index vocab_size) {
  if (!field.is_null()) append(field, vocab_size, 0);
}

void PostProcessor::append(const JsonField& field, Index vocab_size, int depth) {
  if (depth > kMaxNesting) field.fail_because("Sequences are nested too deeply");
  const std::string type = field.at("type").string();
  if (type == "Sequence") {
    const JsonField parts = field.at("processors");
    for (Index i = 0; i < parts.size(); ++i) append(parts.element(i), vocab_size, depth + 1);
  } else if (type == "TemplateProcessing") {
    if (!parts_.empty()) field.fail_because("a second TemplateProcessing; expected one");
    read_template(field, vocab_size);
  } else if (type != "ByteLevel") {
    field.at("type").fail("Sequence, TemplateProcessing or ByteLevel");
  }
}

void PostProcessor::read_template(const JsonField& field, Index vocab_size) {
  const JsonField single = field.at("single");
  for (Index i = 0; i < single.size(); ++i) {
    const JsonField piece = single.element(i);
    if (piece.has("Sequence")) {
      if (piece.at("Sequence").at("id").string() != "A") piece.at("Sequence").at("id").fail("\"A\"");
      parts_.push_back({true, {}});
      continue;
    }
    const std::string name = piece.at("SpecialToken").at("id").string();
    const JsonField ids = field.at("special_tokens").at(name.c_str()).at("ids");
    Part part{false, {}};
    for (Index j = 0; j < ids.size(); ++j) {
      part.ids.push_back(static_cast<std::int32_t>(ids.element(j).integer(0, vocab_size - 1)));
    }
    parts_.push_back(std::move(part));
  }
  if (std::none_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.is_text; })) {
    single.fail_because("no Sequence A; expected the text to have a place");
  }
}

std::vector<std::int32_t> PostProcessor::apply(std::vector<std::int32_t> ids, bool add_special_tokens) const {
  if (parts_.empty()) return ids;
  std::vector<std::int32_t> out;
  out.reserve(ids.size() + parts_.size());
  for (const Part& part : parts_) {
    const std::vector<std::int32_t>& source = part.is_text ? ids : part.ids;
    if (part.is_text || add_special_tokens) out.insert(out.end(), source.begin(), source.end());
  }
  return out;
}

}  // namespace lorry::text
