// cli/data_survey.hpp: how long the records of a data set are, and what does not fit.
#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "io/json_file.hpp"

namespace lorry::cli {

/// Records of a range of lengths in tokens, both ends counted.
struct LengthBin {
  Index from = 0;
  Index to = 0;
  Index records = 0;
};

class DataSurvey {
 public:
  explicit DataSurvey(Index max_seq_length) : max_seq_length_(max_seq_length) {}

  void add(const data::SeenRecord& record);

  /// Lines for people: tokens, lengths, histogram, what is cut and what is dropped. `statistics` are those of
  /// the same records.
  [[nodiscard]] std::string to_text(const data::Statistics& statistics) const;
  /// "tokens", "targets", "lengths" with its quantiles, "histogram", "cut", "masked" with places.
  [[nodiscard]] io::OrderedJson to_json(const data::Statistics& statistics) const;

 private:
  /// Records that stand out: how many, and where the first ones are.
  struct Places {
    Index count = 0;
    std::vector<std::string> first;

    void add(const data::SeenRecord& record);
    [[nodiscard]] std::string to_text() const;
  };

  [[nodiscard]] std::vector<Index> sorted() const;
  [[nodiscard]] std::vector<LengthBin> histogram(const std::vector<Index>& sorted) const;

  Index max_seq_length_;
  std::vector<Index> lengths_;
  Index tokens_ = 0;
  Index targets_ = 0;
  Places cut_;     // longer than max_seq_length
  Places masked_;  // without a token to learn
};

}  // namespace lorry::cli
