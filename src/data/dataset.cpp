#include "data/dataset.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/option_error.hpp"
#include "data/dataset_builder.hpp"
#include "data/prompt_groups.hpp"

namespace lorry::data {
namespace {

constexpr Index kTokensPerMebibyte = Index{1} << 18;  // 4 bytes each

std::string list_of(const DataFiles& files) {
  std::string list;
  for (const DataFile& file : files.list) list += (list.empty() ? "" : ", ") + file.path.string();
  return list;
}

bool shows_tools(const Encoder& encoder, const Record& record) {
  return record.conversation.tools.empty() || encoder.chat(record.kind)->chat_template().shows_tools;
}

void check_template(const Encoder& encoder, const Record& record, const std::string& where) {
  if (record.kind != RecordKind::kText || !encoder.chat_completions) return;
  throw Error("[data] {}: found a record of text, which has no turns; expected no --chat-template for it",
              where);
}

}  // namespace

std::vector<std::pair<std::string_view, Index>> Statistics::list() const {
  return {{"records", records}, {"documents", documents}, {"tokens", tokens}, {"targets", targets},
          {"cut", cut},         {"dropped", dropped}};
}

DatasetBuilder::DatasetBuilder(const Encoder& encoder, Index max_seq_length, Index most_tokens)
    : encoder_(encoder), max_seq_length_(max_seq_length), most_tokens_(most_tokens) {
  if (max_seq_length < 2) {
    throw OptionError("[data] --max-seq-length: found {}; expected at least 2", max_seq_length);
  }
}

void DatasetBuilder::begin_file() {
  if (!stored_) stored_ = std::make_shared<StoredDocuments>(encoder_);
}

void DatasetBuilder::end_file(std::unique_ptr<RecordReader> reader) {
  stored_->add_file(std::move(reader));
}

void DatasetBuilder::add_window(const Document& document, Index first, Index last, RecordPlace place) {
  const bool whole = last - first == document.size();
  Document window = whole ? Document() : cut_window(document, first, last);
  const Document& added = whole ? document : window;
  Statistics& statistics = dataset_.statistics;
  if (added.target_count() == 0) {
    ++statistics.dropped;
    return;
  }
  ++statistics.documents;
  statistics.tokens += added.size();
  statistics.targets += added.target_count();
  if (stored_) stored_->add(place, document.size(), first, last - first, added.prompt_key());
  if (stored_ && statistics.tokens > most_tokens_ && keeps_) {
    keeps_ = false;
    dataset_.documents = {};
  }
  if (!keeps_) return;
  if (whole) {
    dataset_.documents.push_back(document);
  } else {
    dataset_.documents.push_back(std::move(window));
  }
}

Document DatasetBuilder::add(const Record& record, RecordPlace place) {
  ++dataset_.statistics.records;
  if (!shows_tools(encoder_, record)) ++dataset_.hidden_tools;
  Document document = encode_record(encoder_, record);
  if (document.size() <= max_seq_length_) {
    add_window(document, 0, document.size(), place);
    return document;
  }
  ++dataset_.statistics.cut;
  for (Index first = 0; first < document.size(); first += max_seq_length_) {
    add_window(document, first, std::min(first + max_seq_length_, document.size()), place);
  }
  return document;
}

Dataset DatasetBuilder::take(std::string_view source) {
  if (dataset_.statistics.documents == 0) {
    throw Error(
        "[data] {}: empty data: none of {} records has a token to learn within {} tokens; expected at least "
        "one",
        source, dataset_.statistics.records, max_seq_length_);
  }
  if (!keeps_) dataset_.index = std::move(stored_);
  dataset_.statistics.repeated = rows_spared(dataset_.view());
  return std::move(dataset_);
}

std::string describe_format(const Encoder& encoder, RecordKind kind) {
  if (!uses_template(encoder, kind)) return std::string(name_of(kind));
  return fmt::format("{} (template {})", name_of(kind), encoder.chat(kind)->chat_template().name);
}

Dataset load_dataset(const DataFiles& files, const Encoder& encoder, Index max_seq_length,
                     const DataOptions& options, const std::function<void(const SeenRecord&)>& visit) {
  DatasetBuilder builder(encoder, max_seq_length, options.memory * kTokensPerMebibyte);
  std::vector<Share> shares;
  std::set<RecordKind> kinds;
  std::string formats;
  std::string chat_template;
  for (const DataFile& file : files.list) {
    auto reader = std::make_unique<RecordReader>(file.path, options.keys);
    builder.begin_file();
    const Index first = builder.documents();
    while (const std::optional<Record> record = reader->next()) {
      check_template(encoder, *record, reader->where());
      const Document document = builder.add(*record, reader->place());
      if (visit) visit({reader->path(), reader->place().line, document});
    }
    shares.push_back({first, builder.documents(), file.weight});
    kinds.insert(*reader->kind());
    const std::string format = describe_format(encoder, *reader->kind());
    if (uses_template(encoder, *reader->kind())) {
      chat_template = encoder.chat(*reader->kind())->chat_template().name;
    }
    builder.end_file(std::move(reader));
    if (formats.find(format) == std::string::npos) formats += (formats.empty() ? "" : ", ") + format;
  }
  Dataset dataset = builder.take(list_of(files));
  dataset.kinds = std::move(kinds);
  dataset.format = std::move(formats);
  dataset.chat_template = std::move(chat_template);
  const auto is_one = [](const Share& share) { return share.weight == 1.0; };
  if (!std::all_of(shares.begin(), shares.end(), is_one)) dataset.shares = std::move(shares);
  return dataset;
}

Dataset build_dataset(const std::vector<Record>& records, const Encoder& encoder, Index max_seq_length,
                      std::string_view source) {
  DatasetBuilder builder(encoder, max_seq_length, 0);
  for (const Record& record : records) builder.add(record, {});
  return builder.take(source);
}

}  // namespace lorry::data
