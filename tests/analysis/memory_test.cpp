// What modules take, and that no more of them run at once than a memory holds. Runs are compared with what is
// predicted in tests/cli/piecewise_memory_test.cpp.
#include "analysis/memory.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "analysis/memory_updates.hpp"
#include "analysis/parallel.hpp"
#include "core/error.hpp"

namespace lorry::analysis {
namespace {

TEST(SharedMemory, HoldsNoMoreThanItsRoomAndEveryPieceComes) {
  const MemoryShares shares = {{5, 9, 1, 10, 3, 3, 3, 2, 8, 4}, 10};
  std::mutex mutex;
  Index taken = 0;
  Index most = 0;
  std::vector<int> calls(shares.bytes.size());
  const auto work = [&](Index i, Index) {
    const Index own = shares.bytes[static_cast<std::size_t>(i)];
    {
      const std::lock_guard lock(mutex);
      most = std::max(most, taken += own);
      ++calls[static_cast<std::size_t>(i)];
    }
    std::this_thread::sleep_for(std::chrono::microseconds(50));  // for others to come meanwhile
    const std::lock_guard lock(mutex);
    taken -= own;
  };
  for (int times = 0; times < 50; ++times) {
    for_each_parallel(std::ssize(shares.bytes), 4, {}, work, shares);
  }
  EXPECT_LE(most, shares.room);
  EXPECT_EQ(calls, std::vector<int>(shares.bytes.size(), 50));
}

TEST(SharedMemory, AFailureFreesItsShareAndIsThrown) {
  const MemoryShares shares = {std::vector<Index>(20, 6), 10};
  std::atomic<int> calls = 0;
  const auto work = [&](Index i, Index) {
    ++calls;
    if (i == 0) throw Error("[test] the first");
  };
  EXPECT_THROW(for_each_parallel(20, 4, {}, work, shares), Error);
  EXPECT_GE(calls, 1);
}

TEST(AnalysisMemory, GrowsWithWhatIsKeptAndWithTheLargestModule) {
  MemoryUpdates updates;
  updates.add("small", random_grid(4, 300, 1), random_grid(200, 4, 2));
  updates.add("large", random_grid(4, 30'000, 3), random_grid(20'000, 4, 4));
  const MemoryNeed spectrum = spectrum_memory(updates, {});
  ASSERT_EQ(spectrum.modules.size(), 2U);
  // The factors as they are read, and their bases.
  const Index factors = 4 * 8 * (30'000 + 20'000);
  EXPECT_GT(spectrum.modules[1], 2 * factors);
  EXPECT_LT(spectrum.modules[1], 4 * factors);
  EXPECT_LT(spectrum.modules[0], spectrum.modules[1]);
  EXPECT_EQ(spectrum.working(), spectrum.modules[1]);
  EXPECT_EQ(spectrum.numbers, 2 * (4 + 4));

  const MemoryNeed similarity = similarity_memory(updates, updates, {});
  EXPECT_GT(similarity.modules[1], 3 * factors);
  EXPECT_GT(similarity.controls, 3 * 8 * 30'000 * 4);
  EXPECT_EQ(similarity_memory(updates, updates, {.controls = false}).controls, 0);

  const MemoryNeed compressed = compress_memory(updates, {.rank = 2});
  EXPECT_GT(compressed.results, 8 * 2 * (30'000 + 20'000 + 300 + 200));
  EXPECT_EQ(compressed.numbers, 0);
}

TEST(AnalysisMemory, OfALargeDifferenceHoldsItTwiceInFloat32WithAllOfItsKrylovSpace) {
  MemoryUpdates updates = one_difference(Grid(1100, 1300));
  const Index elements = 1100 * 1300;
  const Index need = spectrum_memory(updates, {}).modules[0];
  EXPECT_GT(need, (4 + 4 + 4) * elements + 12 * 1100 * 1100);
  EXPECT_LT(need, 50 * elements);
  const Index whole = spectrum_memory(updates, {.decomposition = {.full_side = 2000}}).modules[0];
  EXPECT_GT(whole, (8 + 8 + 8) * elements);
}

TEST(AnalysisMemory, LimitsDoNotChangeResults) {
  MemoryUpdates updates;
  for (std::uint64_t i = 0; i < 6; ++i) {
    updates.add("m" + std::to_string(i), random_grid(3, 50, 2 * i), random_grid(40, 3, 2 * i + 1));
  }
  const MemoryNeed need = similarity_memory(updates, updates, {});
  const SimilarityReport free = measure_similarity(updates, updates, {.threads = 3});
  const SimilarityReport held =
      measure_similarity(updates, updates, {.threads = 3, .memory = need.working()});
  ASSERT_EQ(held.modules.size(), free.modules.size());
  for (std::size_t i = 0; i < held.modules.size(); ++i) {
    EXPECT_EQ(held.modules[i].row.phi.values, free.modules[i].row.phi.values);
    EXPECT_EQ(held.modules[i].a.phi.values, free.modules[i].a.phi.values);
  }
}

}  // namespace
}  // namespace lorry::analysis
