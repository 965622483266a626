// What memory there is, from files as Linux writes them.
#include "core/machine.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace lorry {
namespace {

class AvailableMemory : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "lorry-machine-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void put(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  std::filesystem::path root_;
};

TEST_F(AvailableMemory, IsWhatTheKernelSays) {
  EXPECT_EQ(available_memory(root_), std::nullopt);
  put("proc/meminfo", "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    800 kB\n");
  EXPECT_EQ(available_memory(root_), 800 * 1024);
}

TEST_F(AvailableMemory, IsWhatTheTightestControlGroupLeaves) {
  put("proc/meminfo", "MemAvailable:    800 kB\n");
  put("proc/self/cgroup", "0::/outer/inner\n");
  put("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  EXPECT_EQ(available_memory(root_), 800 * 1024);
  put("sys/fs/cgroup/outer/memory.max", "500000\n");
  put("sys/fs/cgroup/outer/memory.current", "300000\n");
  put("sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 100000\n");
  EXPECT_EQ(available_memory(root_), 300000);
  put("sys/fs/cgroup/outer/inner/memory.max", "1000\n");
  EXPECT_EQ(available_memory(root_), 1000);
}

TEST_F(AvailableMemory, KnowsTheFirstVersionOfControlGroups) {
  put("proc/meminfo", "MemAvailable:    800 kB\n");
  put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/docker/x\n0::/\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(available_memory(root_), 800 * 1024);
  put("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "400000\n");
  put("sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "150000\n");
  EXPECT_EQ(available_memory(root_), 250000);
}

TEST(ResidentBytes, AreThoseOfThisProcess) {
  EXPECT_GT(resident_bytes(), Index{1} << 20);
  EXPECT_LT(resident_bytes(), Index{1} << 34);
}

}  // namespace
}  // namespace lorry
