// data/dataset_builder.hpp: from records to a data set, record by record.
#pragma once
#include <memory>
#include <string_view>

#include "data/dataset.hpp"
#include "data/stored_documents.hpp"

namespace lorry::data {

/// Collects documents until they have more tokens than allowed; from then on only where they come from.
class DatasetBuilder {
 public:
  /// Borrows the encoder. `most_tokens` are kept. Throws Error for max_seq_length below 2.
  DatasetBuilder(const Encoder& encoder, Index max_seq_length, Index most_tokens);

  /// Records from here on stand in a file; its reader is handed over when it is done, to read them again.
  void begin_file();
  void end_file(std::unique_ptr<RecordReader> reader);
  /// The record as a whole. Throws Error, see encode_record.
  Document add(const Record& record, RecordPlace place);

  [[nodiscard]] Index documents() const noexcept { return dataset_.statistics.documents; }
  /// Throws Error if there is no document.
  Dataset take(std::string_view source);

 private:
  void add_window(const Document& document, Index first, Index last, RecordPlace place);

  const Encoder& encoder_;
  Index max_seq_length_;
  Index most_tokens_;
  bool keeps_ = true;
  Dataset dataset_;
  std::shared_ptr<StoredDocuments>
      stored_;  // null: records in memory, which have no place to be read again from
};

}  // namespace lorry::data
