// Block inputs come back as they were made, wherever they were meanwhile, with the rooms and bytes foretold.
#include "model/block_inputs.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "io/io_support.hpp"

namespace lorry::model {
namespace {

constexpr Index kCols = 24;

/// Each input has numbers of its own, of each pass.
float number(int pass, Index block, Index batch, Index at) {
  return static_cast<float>(((pass * 10 + block) * 10 + batch) * 1000 + at);
}

/// Goes up and down as a decoder does.
class Passes {
 public:
  Passes(Index blocks, Index lowest, Index in_file) : blocks_(blocks), lowest_(lowest) {
    if (in_file > 0) inputs.use_file(io::ScratchFile(folder_.path(), "block inputs"), in_file);
  }

  void up(const std::vector<Index>& rows) {
    ++pass_;
    rows_ = rows;
    inputs.start({.rows = rows, .cols = kCols, .blocks = blocks_, .lowest = lowest_});
    for (Index batch = 0; batch < std::ssize(rows_); ++batch) fill(inputs.make(0, batch), 0, batch);
    for (Index block = 0; block < blocks_; ++block) {
      for (Index batch = 0; batch < std::ssize(rows_); ++batch) {
        const MatrixView output = inputs.make(block + 1, batch);
        const ConstMatrixView input = inputs.get(block, batch);
        ASSERT_NE(input.data, output.data);
        expect(input, block, batch);
        fill(output, block + 1, batch);
      }
    }
    for (Index batch = 0; batch < std::ssize(rows_); ++batch) {
      expect(inputs.get(blocks_, batch), blocks_, batch);
      expect(inputs.get(blocks_, batch), blocks_, batch);
    }
  }
  void down() {
    inputs.turn();
    for (Index block = blocks_ - 1; block >= lowest_; --block) {
      for (Index batch = 0; batch < std::ssize(rows_); ++batch) {
        expect(inputs.get(block, batch), block, batch);
      }
    }
  }
  /// Addresses that a pass hands out: how many rooms it takes.
  [[nodiscard]] std::size_t addresses() const { return addresses_.size(); }

  BlockInputs inputs;

 private:
  void fill(MatrixView x, Index block, Index batch) {
    ASSERT_EQ(x.rows, rows_[static_cast<std::size_t>(batch)]);
    ASSERT_EQ(x.cols, kCols);
    addresses_.insert(x.data);
    for (Index at = 0; at < x.size(); ++at) x.row<float>(0)[at] = number(pass_, block, batch, at);
  }
  void expect(ConstMatrixView x, Index block, Index batch) {
    ASSERT_EQ(x.rows, rows_[static_cast<std::size_t>(batch)]);
    addresses_.insert(x.data);
    for (Index at = 0; at < x.size(); ++at) {
      ASSERT_EQ(x.row<float>(0)[at], number(pass_, block, batch, at))
          << "block " << block << " batch " << batch << " element " << at;
    }
  }

  io::ScratchFolder folder_;
  Index blocks_;
  Index lowest_;
  std::vector<Index> rows_;
  int pass_ = 0;
  std::set<const std::byte*> addresses_;
};

TEST(BlockInputs, ComeBackAsTheyWereMadeFromTheRoomsAndBytesForetold) {
  for (const Index blocks : {1, 2, 5}) {
    for (Index lowest = 0; lowest <= blocks; ++lowest) {
      for (Index in_file = 0; in_file <= blocks + 1; ++in_file) {
        for (const std::vector<Index>& rows :
             {std::vector<Index>{7}, std::vector<Index>{8, 3}, std::vector<Index>{1, 9, 4, 4}}) {
          SCOPED_TRACE(fmt::format("{} blocks from {}, {} in the file, {} batches", blocks, lowest, in_file,
                                   rows.size()));
          Passes passes(blocks, lowest, in_file);
          Index all = 0;
          for (const Index n : rows) all += n;
          const Index bytes = all * kCols * 4 * std::min(in_file, BlockInputs::most_in_file(blocks, lowest));
          for (int pass = 1; pass <= 3; ++pass) {
            passes.up(rows);
            passes.down();
            EXPECT_EQ(passes.inputs.totals().written, pass * bytes);
            EXPECT_EQ(passes.inputs.totals().read, pass * bytes);
          }
          EXPECT_EQ(passes.inputs.kept(), blocks - lowest + 1);
          EXPECT_EQ(static_cast<Index>(passes.addresses()),
                    BlockInputs::rooms(std::ssize(rows), blocks, lowest, in_file));
          if (::testing::Test::HasFailure()) return;
        }
      }
    }
  }
}

TEST(BlockInputs, FewerAreInMemoryTheMoreAreInTheFile) {
  // 80 blocks, 16 batches: all; the ring and the rest; the ring alone.
  EXPECT_EQ(BlockInputs::rooms(16, 80, 0, 0), 81 * 16);
  EXPECT_EQ(BlockInputs::rooms(16, 80, 0, 10), 17 + 70 * 16);
  EXPECT_EQ(BlockInputs::rooms(16, 80, 0, 80), 17);
  EXPECT_EQ(BlockInputs::rooms(16, 80, 79, 0), 17 + 16);
  EXPECT_EQ(BlockInputs::rooms(8, 80, 80, 0), 9);
}

TEST(BlockInputs, PassesOfOtherShapesAndUnfinishedOnesMayComeBetween) {
  Passes passes(4, 1, 2);
  passes.up({5, 2, 3});
  passes.up({9});
  passes.down();
  // An evaluation keeps the last output alone.
  BlockInputs::Shape all = {.rows = {30, 30, 30, 30, 30}, .cols = kCols, .blocks = 4, .lowest = 4};
  passes.inputs.start(all);
  for (Index block = 0; block <= 4; ++block) {
    for (Index batch = 0; batch < 5; ++batch) passes.inputs.make(block, batch);
  }
  passes.up({2, 31});
  passes.down();
}

TEST(BlockInputs, MayGoInTheMiddleOfAPassWhileTheFileIsWritten) {
  const io::ScratchFolder folder;
  for (int i = 0; i < 20; ++i) {
    BlockInputs inputs;
    inputs.use_file(io::ScratchFile(folder.path(), "block inputs"), 3);
    inputs.start({.rows = {4000, 4000}, .cols = kCols, .blocks = 3, .lowest = 0});
    for (Index batch = 0; batch < 2; ++batch) inputs.make(0, batch);
    inputs.make(1, 0);
  }
}

TEST(BlockInputs, TellWhichAreNotFiniteInMemoryAndInTheFile) {
  for (const Index in_file : {0, 2, 4}) {
    for (Index block = 1; block <= 4; ++block) {
      SCOPED_TRACE(fmt::format("{} in the file, block {}", in_file, block));
      Passes passes(4, 1, in_file);
      BlockInputs& inputs = passes.inputs;
      inputs.start({.rows = {6, 2}, .cols = kCols, .blocks = 4, .lowest = 1});
      for (Index to = 0; to <= 4; ++to) {
        for (Index batch = 0; batch < 2; ++batch) {
          const MatrixView x = inputs.make(to, batch);
          std::fill_n(x.row<float>(0), x.size(), 1.0F);
          if (to == block && batch == 1) x.row<float>(1)[5] = std::numeric_limits<float>::quiet_NaN();
        }
      }
      for (Index at = 1; at <= 4; ++at) EXPECT_EQ(inputs.all_finite(at), at != block) << at;
    }
  }
}

}  // namespace
}  // namespace lorry::model
