#include "io/streamed_file.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "io/io_support.hpp"

namespace lorry::io {
namespace {

constexpr Index kAlignment = StreamedFile::kAlignment;
constexpr Index kSize = 5 * kAlignment + 777;

/// What tells every place of a file from the others.
char byte_at(Index offset) {
  return static_cast<char>((offset * 31 + offset / kAlignment) % 251);
}

std::string numbered(Index size) {
  std::string text;
  for (Index i = 0; i < size; ++i) text += byte_at(i);
  return text;
}

/// Memory from a multiple of kAlignment on, with a mark all over it.
class Room {
 public:
  static constexpr std::byte kMark{0xEE};

  Room() : memory_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBytes)), &std::free) {
    std::fill_n(memory_.get(), kBytes, kMark);
  }
  [[nodiscard]] std::span<std::byte> part(Index first, Index count) {
    return std::span(memory_.get(), kBytes)
        .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  }
  [[nodiscard]] std::byte at(Index i) const { return memory_.get()[i]; }

 private:
  static constexpr std::size_t kBytes = 8 * kAlignment;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
};

class StreamedReading : public ::testing::TestWithParam<StreamedFile::Reading> {};

TEST_P(StreamedReading, FillsExactlyWhatIsAskedForWhereverItLies) {
  const ScratchFolder folder;
  put(folder / "file", numbered(kSize));
  const StreamedFile file(folder / "file", GetParam());
  const std::array<std::pair<Index, Index>, 9> wanted = {{{0, kSize},
                                                          {0, kAlignment},
                                                          {kAlignment, 2 * kAlignment},
                                                          {1, 3 * kAlignment},
                                                          {kAlignment - 1, kAlignment + 2},
                                                          {100, 200},
                                                          {3 * kAlignment + 5, 2 * kAlignment + 700},
                                                          {kSize - 1, 1},
                                                          {kSize, 0}}};
  for (const auto& [offset, count] : wanted) {
    for (const Index shift : {Index{0}, Index{1}, Index{64}, kAlignment - 3}) {
      Room room;
      const Index first = offset % kAlignment + shift;  // shift 0: where it can be read directly
      file.read(offset, room.part(first, count));
      for (Index i = 0; i < count; ++i)
        ASSERT_EQ(static_cast<char>(room.at(first + i)), byte_at(offset + i)) << i;
      if (first > 0) {
        EXPECT_EQ(room.at(first - 1), Room::kMark) << offset << " " << count << " " << shift;
      }
      EXPECT_EQ(room.at(first + count), Room::kMark) << offset << " " << count << " " << shift;
    }
  }
}

TEST_P(StreamedReading, AFileThatIsShortenedIsAnErrorThatNamesIt) {
  const ScratchFolder folder;
  put(folder / "file", numbered(kSize));
  const StreamedFile file(folder / "file", GetParam());
  Room room;
  std::filesystem::resize_file(folder / "file", kSize - 1);
  try {
    file.read(0, room.part(0, kSize));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("file: found"), std::string::npos) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, StreamedReading,
                         ::testing::Values(StreamedFile::Reading::kCached, StreamedFile::Reading::kDirect),
                         [](const auto& way) {
                           return way.param == StreamedFile::Reading::kCached ? "cached" : "direct";
                         });

}  // namespace
}  // namespace lorry::io
