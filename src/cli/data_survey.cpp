#include "cli/data_survey.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace lorry::cli {

namespace {

constexpr std::size_t kPlacesShown = 5;
constexpr Index kBins = 12;
constexpr double kBarWidth = 40;

/// The length that `share` of the records do not exceed.
Index quantile(const std::vector<Index>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

/// 1, 2 or 5 times a power of ten, so that at most `bins` of it cover `range`.
Index round_width(Index range, Index bins) {
  for (Index power = 1;; power *= 10) {
    for (const Index factor : {1, 2, 5}) {
      if (factor * power * bins >= range) return factor * power;
    }
  }
}

double percent(Index part, Index whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

std::string named_line(std::string_view name, std::string_view value) {
  return fmt::format("{:<10}{}\n", name, value);
}

}  // namespace

void DataSurvey::Places::add(const data::SeenRecord& record) {
  if (first.size() < kPlacesShown) {
    first.push_back(fmt::format("{}:{}", record.file.filename().string(), record.line));
  }
  ++count;
}

std::string DataSurvey::Places::to_text() const {
  if (count == 0) return "";
  return fmt::format(": {}{}", fmt::join(first, ", "),
                     static_cast<std::size_t>(count) > first.size() ? ", ..." : "");
}

void DataSurvey::add(const data::SeenRecord& record) {
  const Index length = record.document.size();
  const Index targets = record.document.target_count();
  lengths_.push_back(length);
  tokens_ += length;
  targets_ += targets;
  if (length > max_seq_length_) cut_.add(record);
  if (targets == 0) masked_.add(record);
}

std::vector<Index> DataSurvey::sorted() const {
  std::vector<Index> lengths = lengths_;
  std::sort(lengths.begin(), lengths.end());
  return lengths;
}

std::vector<LengthBin> DataSurvey::histogram(const std::vector<Index>& sorted) const {
  const Index width = round_width(sorted.back() - sorted.front() + 1, kBins - 1);
  const Index start = sorted.front() / width * width;
  std::vector<LengthBin> bins;
  for (Index from = start; from <= sorted.back(); from += width) bins.push_back({from, from + width - 1, 0});
  for (const Index length : sorted) ++bins[static_cast<std::size_t>((length - start) / width)].records;
  return bins;
}

std::string DataSurvey::to_text(const data::Statistics& statistics) const {
  const std::vector<Index> lengths = sorted();
  const auto records = static_cast<Index>(lengths.size());
  std::string text = named_line("tokens", fmt::format("{}, of which {} ({:.1f} %) are learnt", tokens_,
                                                      targets_, percent(targets_, tokens_)));
  text += named_line(
      "length", fmt::format("shortest {}, median {}, mean {:.1f}, 90 % up to {}, 99 % up to {}, longest {}",
                            lengths.front(), quantile(lengths, 0.5),
                            static_cast<double>(tokens_) / static_cast<double>(records),
                            quantile(lengths, 0.9), quantile(lengths, 0.99), lengths.back()));
  const std::vector<LengthBin> bins = histogram(lengths);
  Index most = 1;
  for (const LengthBin& bin : bins) most = std::max(most, bin.records);
  const std::size_t digits = fmt::format("{}", bins.back().to).size();
  for (const LengthBin& bin : bins) {
    const double share = static_cast<double>(bin.records) / static_cast<double>(most);
    const auto bar = static_cast<std::size_t>(std::ceil(share * kBarWidth));
    text += fmt::format("  {0:>{2}} to {1:>{2}}  {3} {4}\n", bin.from, bin.to, digits, std::string(bar, '#'),
                        bin.records);
  }
  text +=
      named_line("too long",
                 fmt::format("{} of {} records ({:.1f} %) have more than {} tokens and are cut{}", cut_.count,
                             records, percent(cut_.count, records), max_seq_length_, cut_.to_text()));
  text += named_line("masked", fmt::format("{} of {} records have nothing to learn and are dropped{}",
                                           masked_.count, records, masked_.to_text()));
  if (statistics.repeated > 0) {
    text += named_line(
        "prompts",
        fmt::format("{} tokens ({:.1f} %) are repeated prompts, which lorry train --share-prompts spares",
                    statistics.repeated, percent(statistics.repeated, statistics.tokens)));
  }
  return text +
         named_line(
             "result",
             fmt::format("{} documents of {} tokens, {} of them learnt; {} records or windows dropped",
                         statistics.documents, statistics.tokens, statistics.targets, statistics.dropped));
}

io::OrderedJson DataSurvey::to_json(const data::Statistics& statistics) const {
  const std::vector<Index> lengths = sorted();
  io::OrderedJson bins = io::OrderedJson::array();
  for (const LengthBin& bin : histogram(lengths)) {
    bins.push_back({{"from", bin.from}, {"to", bin.to}, {"records", bin.records}});
  }
  const auto places = [](const Places& some) {
    return io::OrderedJson{{"records", some.count}, {"first", some.first}};
  };
  return {{"records", lengths.size()},
          {"tokens", tokens_},
          {"targets", targets_},
          {"lengths",
           {{"min", lengths.front()},
            {"median", quantile(lengths, 0.5)},
            {"mean", static_cast<double>(tokens_) / static_cast<double>(lengths.size())},
            {"p90", quantile(lengths, 0.9)},
            {"p99", quantile(lengths, 0.99)},
            {"max", lengths.back()}}},
          {"histogram", std::move(bins)},
          {"max_seq_length", max_seq_length_},
          {"cut", places(cut_)},
          {"masked", places(masked_)},
          {"documents", statistics.documents},
          {"document_tokens", statistics.tokens},
          {"document_targets", statistics.targets},
          {"repeated", statistics.repeated},
          {"dropped", statistics.dropped}};
}

}  // namespace lorry::cli
