// What is left of a budget, and what a refusal says.
#include "core/memory_room.hpp"

#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/option_error.hpp"

namespace lorry {
namespace {

constexpr Index kMebibyte = Index{1} << 20;

std::string refusal_of(Index budget, Index least) {
  try {
    memory_room_for("work", budget, least, "a piece");
  } catch (const OptionError& error) {
    return error.what();
  }
  return "none";
}

TEST(MemoryRoom, IsTheBudgetWithoutWhatIsThereAlready) {
  const Index room = memory_room(1024 * kMebibyte);
  EXPECT_LT(room, 1024 * kMebibyte);
  EXPECT_GT(room, 0);
  EXPECT_LT(memory_room(kMebibyte), 0);
}

TEST(MemoryRoom, TooLittleIsRefusedWithTheLeastThatDoes) {
  const Index least = 300 * kMebibyte;
  const std::string refusal = refusal_of(100 * kMebibyte, least);
  const std::string before = "[work] --memory-budget: found 100.0 MiB; expected at least ";
  ASSERT_EQ(refusal.substr(0, before.size()), before) << refusal;
  EXPECT_NE(refusal.find(" and 300.0 MiB for a piece"), std::string::npos) << refusal;
  const double named = std::stod(refusal.substr(before.size()));
  const auto budget = static_cast<Index>(named * static_cast<double>(kMebibyte));
  EXPECT_EQ(refusal_of(budget, least), "none");
  EXPECT_GE(memory_room_for("work", budget, least, "a piece"), least);
  EXPECT_NE(refusal_of(budget - 8 * kMebibyte, least), "none");
}

TEST(FormatBytesUp, NeverShowsLessThanThereIs) {
  EXPECT_EQ(format_bytes(1 * kMebibyte + 1), "1.0 MiB");
  EXPECT_EQ(format_bytes_up(1 * kMebibyte + 1), "1.1 MiB");
  EXPECT_EQ(format_bytes_up(1 * kMebibyte), "1.0 MiB");
  EXPECT_EQ(format_bytes_up(3 * 512 * kMebibyte), "1.50 GiB");
  EXPECT_EQ(format_bytes_up(3 * 512 * kMebibyte + 1), "1.51 GiB");
  EXPECT_EQ(format_bytes_up(1), "0.1 KiB");
}

}  // namespace
}  // namespace lorry
