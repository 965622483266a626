// The inputs that libFuzzer found, read again.
#include <gtest/gtest.h>

#include <filesystem>

#include "fuzz/readers.hpp"
#include "io/io_support.hpp"

namespace lorry::fuzz {
namespace {

class Replay : public testing::TestWithParam<Reader> {};

TEST_P(Replay, EveryInputIsReadOrRefused) {
  const Reader& reader = GetParam();
  const std::filesystem::path corpus =
      std::filesystem::path(LORRY_SOURCE_DIR) / "tests/fuzz/corpus" / reader.name;
  const io::ScratchFolder scratch;
  const std::filesystem::path copy = scratch / reader.file;
  int read = 0;
  int refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    io::put(copy, io::get(entry.path()));
    try {
      reader.read(copy);
      ++read;
    } catch (const Error& error) {
      ++refused;
      const std::string_view line = error.what();
      EXPECT_EQ(line.find('\n'), line.npos) << entry.path() << ": " << line;
      EXPECT_EQ(line.front(), '[') << entry.path() << ": " << line;
    } catch (const std::exception& error) {
      ADD_FAILURE() << entry.path() << ": " << error.what();
    }
  }
  EXPECT_GE(read, 5) << "the corpus hardly gets past the checks";
  EXPECT_GE(refused, reader.refused);
}

INSTANTIATE_TEST_SUITE_P(Readers, Replay, testing::ValuesIn(readers().begin(), readers().end()),
                         [](const testing::TestParamInfo<Reader>& reader) {
                           return std::string(reader.param.name);
                         });

}  // namespace
}  // namespace lorry::fuzz
