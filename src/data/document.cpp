#include "data/document.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace lorry::data {
namespace {

using Ids = std::vector<std::int32_t>;

void append_eos(const Encoder& encoder, Ids& ids) {
  if (!encoder.eos_id) return;
  if (ids.empty() || ids.back() != *encoder.eos_id) ids.push_back(*encoder.eos_id);
}

bool starts_with(const Ids& ids, const Ids& prefix) {
  return ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
}

Document encode_completion(const Encoder& encoder, const Record& record) {
  Document document;
  Ids prompt = encode_prompt(encoder, record.prompt);
  document.targets_from = std::max<Index>(1, static_cast<Index>(prompt.size()));
  document.ids = encoder.encode(record.prompt + record.text, true);
  if (!starts_with(document.ids, prompt)) {
    const Ids completion = encoder.encode(record.text, false);
    document.ids = std::move(prompt);
    document.ids.insert(document.ids.end(), completion.begin(), completion.end());
  }
  append_eos(encoder, document.ids);
  return document;
}

void add(Document document, Dataset& dataset) {
  if (document.target_count() == 0) {
    ++dataset.statistics.dropped;
    return;
  }
  ++dataset.statistics.documents;
  dataset.statistics.tokens += document.size();
  dataset.statistics.targets += document.target_count();
  dataset.documents.push_back(std::move(document));
}

void add_windows(const Document& document, Index length, Dataset& dataset) {
  ++dataset.statistics.cut;
  for (Index first = 0; first < document.size(); first += length) {
    const Index last = std::min(first + length, document.size());
    Document window;
    window.ids.assign(document.ids.begin() + first, document.ids.begin() + last);
    window.targets_from = std::max<Index>(1, document.targets_from - first);
    add(std::move(window), dataset);
  }
}

}  // namespace

std::vector<std::pair<std::string_view, Index>> Statistics::list() const {
  return {{"records", records}, {"documents", documents}, {"tokens", tokens}, {"targets", targets},
          {"cut", cut},         {"dropped", dropped}};
}

std::vector<std::int32_t> encode_prompt(const Encoder& encoder, std::string_view prompt) {
  Ids ids = encoder.encode(prompt, true);
  if (!encoder.eos_id || ids.empty() || ids.back() != *encoder.eos_id) return ids;
  // An end token that the prompt's own text spells out stays; one that the post-processor appends goes.
  const Ids plain = encoder.encode(prompt, false);
  if (plain.empty() || plain.back() != *encoder.eos_id) ids.pop_back();
  return ids;
}

Document encode_record(const Encoder& encoder, const Record& record) {
  if (record.kind == RecordKind::kCompletion) return encode_completion(encoder, record);
  Document document;
  if (record.text.empty()) return document;  // nothing to learn, not even where to stop
  document.ids = encoder.encode(record.text, true);
  append_eos(encoder, document.ids);
  return document;
}

Dataset build_dataset(const std::vector<Record>& records, const Encoder& encoder, Index max_seq_length,
                      std::string_view source) {
  if (max_seq_length < 2) {
    throw Error("[data] --max-seq-length: found {}; expected at least 2", max_seq_length);
  }
  Dataset dataset;
  for (const Record& record : records) {
    ++dataset.statistics.records;
    Document document = encode_record(encoder, record);
    if (document.size() > max_seq_length) {
      add_windows(document, max_seq_length, dataset);
    } else {
      add(std::move(document), dataset);
    }
  }
  if (dataset.documents.empty()) {
    throw Error(
        "[data] {}: empty data: none of {} records has a token to learn within {} tokens; expected at least "
        "one",
        source, records.size(), max_seq_length);
  }
  return dataset;
}

Dataset load_dataset(const std::filesystem::path& file, const Encoder& encoder, Index max_seq_length) {
  return build_dataset(read_records(file), encoder, max_seq_length, file.string());
}

}  // namespace lorry::data
