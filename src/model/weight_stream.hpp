// model/weight_stream.hpp: weights that the memory does not hold all at once, read from their files ahead of
// the pass that needs them.
#pragma once
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "io/mapped_file.hpp"
#include "io/page_arena.hpp"
#include "io/streamed_file.hpp"
#include "model/part_residency.hpp"
#include "tensor/weight_view.hpp"

namespace lorry::model {

/// What is loaded and dropped as one: a block, or the head.
struct StreamPart {
  /// Bytes of one of the files, and where in `memory` they go.
  struct Range {
    const io::StreamedFile* file = nullptr;
    Index offset = 0;  // in the file
    std::span<std::byte> bytes;
  };
  std::string name = {};  // "model.layers.3"
  std::vector<Range> ranges = {};
  std::shared_ptr<io::PageArena> memory = {};

  [[nodiscard]] Index bytes() const noexcept;
};

/// Keeps as many parts in memory as the budget allows (PartResidency), and reads the next ones while a pass
/// computes: on threads of its own.
class WeightStream {
 public:
  /// budget: bytes of parts at once; at least the largest part. Nothing is read yet. `mapped`: files whose
  /// pages in memory are let go whenever a pass starts, since what reads them otherwise reads little or
  /// seldom.
  WeightStream(std::vector<std::shared_ptr<const io::StreamedFile>> files, std::vector<StreamPart> parts,
               Index budget, std::vector<std::shared_ptr<const io::MappedFile>> mapped = {});
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;
  ~WeightStream();

  [[nodiscard]] const std::vector<StreamPart>& parts() const noexcept { return parts_; }
  /// What passes through all parts and back will read and hold.
  [[nodiscard]] RoundTrip round_trip() const;

  /// Parts by their numbers as they will be visited from now on, over and over.
  void start_pass(std::vector<Index> order);
  /// Waits until `part`, the next one of the order, is in memory, where it stays until the next visit or
  /// pass. Throws what reading threw.
  void visit(Index part);

  /// Drops a tensor's pages of the mapped files from this process's memory.
  void let_go(WeightView read) const;

  /// So far, in all.
  struct Totals {
    Index bytes = 0;    // read from the files
    double waited = 0;  // seconds that passes did for parts to be read
    Index passes = 0;   // started

    Totals& operator+=(const Totals& other);
    [[nodiscard]] Totals operator-(const Totals& other) const;
  };
  [[nodiscard]] Totals totals() const;

 private:
  [[nodiscard]] const StreamPart& part(Index number) const {
    return parts_[static_cast<std::size_t>(number)];
  }
  void read_ahead();
  void load(Index number) const;

  const std::vector<std::shared_ptr<const io::StreamedFile>> files_;
  const std::vector<std::shared_ptr<const io::MappedFile>> mapped_;
  const std::vector<StreamPart> parts_;
  const Index budget_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PartResidency residency_;
  Totals totals_;
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::thread reader_;
};

}  // namespace lorry::model
