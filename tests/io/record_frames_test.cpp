#include "io/record_frames.hpp"

#include <gtest/gtest.h>

#include "io/append_file.hpp"
#include "io/crc32c.hpp"
#include "io/io_support.hpp"

namespace lorry::io {
namespace {

TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);  // the check value of CRC-32/ISCSI
  // RFC 3720, appendix B.4.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, IsMaskedByARotationAndASum) {
  // 0xE3069283 rotated right by 15 bits is 0x2507C60D.
  EXPECT_EQ(masked_crc32c("123456789"), 0x2507C60DU + 0xA282EAD8U);
}

TEST(RecordFrames, AreLengthChecksumContentChecksum) {
  const std::string frame = record_frame("123456789");
  ASSERT_EQ(frame.size(), 8U + 4U + 9U + 4U);
  EXPECT_EQ(frame.substr(0, 8), std::string("\x09\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(frame.substr(12, 9), "123456789");
  EXPECT_EQ(frame.substr(21), "\xE5\xB0\x8A\xC7");  // 0xC78AB0E5
}

TEST(RecordFrames, ComeBackInOrder) {
  const std::string large(300, 'x');
  const std::string bytes = record_frame("one") + record_frame("") + record_frame(large);
  RecordFrames frames(bytes);
  EXPECT_EQ(frames.next(), "one");
  EXPECT_EQ(frames.position(), 19);
  EXPECT_EQ(frames.next(), "");
  EXPECT_EQ(frames.next(), large);
  EXPECT_EQ(frames.position(), std::ssize(bytes));
  EXPECT_EQ(frames.next(), std::nullopt);
}

TEST(RecordFrames, EndBeforeAFrameThatIsCutShortOrDamaged) {
  const std::string first = record_frame("one");
  const std::string second = record_frame("second");
  for (std::size_t length = 0; length < second.size(); ++length) {
    const std::string cut = first + second.substr(0, length);
    RecordFrames frames(cut);
    EXPECT_EQ(frames.next(), "one");
    EXPECT_EQ(frames.next(), std::nullopt) << length;
    EXPECT_EQ(frames.position(), std::ssize(first));
  }
  for (std::size_t i = 0; i < second.size(); ++i) {
    std::string damaged = first + second;
    damaged[first.size() + i] = static_cast<char>(damaged[first.size() + i] ^ 0x10);
    RecordFrames frames(damaged);
    EXPECT_EQ(frames.next(), "one");
    EXPECT_EQ(frames.next(), std::nullopt) << i;
  }
}

TEST(RecordFrames, ALengthBeyondTheFileIsNoFrame) {
  std::string bytes(8, '\xff');
  const std::uint32_t check = masked_crc32c(bytes);
  for (unsigned shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((check >> shift) & 0xFFU);
  bytes += "some more bytes";
  RecordFrames frames(bytes);
  EXPECT_EQ(frames.next(), std::nullopt);
}

TEST(AppendFile, KeepsWhatItIsToldAndGoesOnBehindIt) {
  const ScratchFolder folder;
  put(folder / "log", "one\ntwo\nthr");
  AppendFile file("[train]", folder / "log", 8);
  EXPECT_EQ(get(folder / "log"), "one\ntwo\n");
  file.append("three\n");
  file.sync();
  EXPECT_EQ(file.size(), 14);
  EXPECT_EQ(get(folder / "log"), "one\ntwo\nthree\n");
}

TEST(AppendFile, MoreThanThereIsCannotBeKept) {
  const ScratchFolder folder;
  put(folder / "log", "one\n");
  EXPECT_EQ(error_of([&] { AppendFile("[train]", folder / "log", 5); }),
            "[train] --resume: " + (folder / "log").string() +
                ": found 4 bytes; expected the 5 that the checkpoint goes with");
  EXPECT_EQ(get(folder / "log"), "one\n");
}

}  // namespace
}  // namespace lorry::io
