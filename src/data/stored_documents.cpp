#include "data/stored_documents.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace lorry::data {

namespace {

constexpr std::size_t kRecordsKept = 4;

}  // namespace

void StoredDocuments::add(RecordPlace place, Index whole, Index first, Index length, PromptKey prompt) {
  entries_.push_back({.offset = place.offset,
                      .line = place.line,
                      .file = static_cast<std::int32_t>(files_.size()),
                      .length = static_cast<std::int32_t>(length),
                      .first = first,
                      .whole = whole,
                      .prompt = prompt});
}

const Document& StoredDocuments::whole_record(const Entry& entry) const {
  const auto known = std::find_if(made_.begin(), made_.end(), [&](const Made& made) {
    return made.file == entry.file && made.offset == entry.offset;
  });
  if (known != made_.end()) {
    made_.splice(made_.begin(), made_, known);
    return made_.front().document;
  }
  RecordReader& reader = *files_[static_cast<std::size_t>(entry.file)];
  const Record record = reader.read_again({entry.offset, entry.line});
  Document document = encode_record(encoder_, record);
  if (document.size() != entry.whole) {
    throw Error("[data] {}: found {} tokens, {} when it was read first; expected a file that stays as it is",
                reader.where(), document.size(), entry.whole);
  }
  if (made_.size() == kRecordsKept) made_.pop_back();
  made_.push_front({entry.file, entry.offset, std::move(document)});
  return made_.front().document;
}

Document StoredDocuments::make(Index i) const {
  const Entry& wanted = entry(i);
  const Document& whole = whole_record(wanted);
  if (wanted.length == wanted.whole) return whole;
  return cut_window(whole, wanted.first, wanted.first + wanted.length);
}

}  // namespace lorry::data
