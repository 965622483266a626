// The layering of src/ holds, and every rule is seen to fail on a small tree that breaks it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "layers_test/layer_rules.hpp"

namespace lorry::layers {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

// A source tree of its own, removed at the end.
class SmallTree : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            ("lorry_layers_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  fs::path root_;
};

TEST(Layers, SourceTreeHoldsTheRules) {
  std::string report;
  for (const std::string& line : breaches(fs::path(LORRY_SOURCE_DIR) / "src")) report += "src/" + line + "\n";
  EXPECT_EQ(report, "");
}

TEST_F(SmallTree, DownwardOwnAndLibraryIncludesAreAllowed) {
  write(
      "nn/linear.cpp",
      "#include \"nn/linear.hpp\"\n#include <vector>\n#include \"hwy/highway.h\"\n"
      "#include \"ops/ops.hpp\"\n  #  include \"core/check.hpp\"  // spaced\n// #include \"cli/main.hpp\"\n");
  write("ops/cpu/matmul.cpp", "#include \"ops/cpu/matmul.hpp\"\n#include \"ops/ops.hpp\"\n");
  EXPECT_EQ(breaches(root_), Lines{});
}

TEST_F(SmallTree, UpwardIncludeIsReported) {
  write("tensor/matrix.hpp", "#pragma once\n#include \"nn/linear.hpp\"\n");
  EXPECT_EQ(breaches(root_),
            Lines{"tensor/matrix.hpp:2: includes nn/linear.hpp; upward: tensor lies below nn"});
}

TEST_F(SmallTree, UpwardIncludeInAngleBracketsOrDeepFolderIsReported) {
  write("model/families/llama.cpp", "#include <train/step.hpp>\n");
  EXPECT_EQ(breaches(root_),
            Lines{"model/families/llama.cpp:1: includes train/step.hpp; upward: model lies below train"});
}

TEST_F(SmallTree, SidewaysIncludeIsReported) {
  write("optim/adamw.cpp", "#include \"nn/linear.hpp\"\n");
  EXPECT_EQ(breaches(root_),
            Lines{"optim/adamw.cpp:1: includes nn/linear.hpp; sideways: optim and nn are equals"});
}

TEST_F(SmallTree, ImplementationOfOperatorsIsSeenInsideOpsOnly) {
  write("nn/linear.cpp", "#include \"ops/cpu/matmul.hpp\"\n");
  write("ops/ops.cpp", "#include \"ops/cpu/matmul.hpp\"\n");
  write("ops/ops.hpp", "#include \"ops/cpu/matmul.hpp\"\n");
  const Lines want = {
      "nn/linear.cpp:1: includes ops/cpu/matmul.hpp; only ops may see ops/cpu; use ops/ops.hpp",
      "ops/ops.hpp:1: includes ops/cpu/matmul.hpp; the operator contract must not see its implementation"};
  EXPECT_EQ(breaches(root_), want);
}

TEST_F(SmallTree, IncludeWithoutItsFolderIsReported) {
  write("nn/linear.cpp", "#include \"linear.hpp\"\n");
  EXPECT_EQ(breaches(root_), Lines{"nn/linear.cpp:1: includes linear.hpp; name its folder"});
}

TEST_F(SmallTree, FoldersWithoutLevelOrMeaningAreReported) {
  write("gadgets/a.hpp", "\n");
  write("model/utils/b.hpp", "\n");
  write("utils/c.hpp", "\n");
  const Lines want = {"gadgets: a folder without a level; give it one in layer_rules.cpp",
                      "model/utils: a folder is named after what it does",
                      "utils: a folder is named after what it does"};
  EXPECT_EQ(breaches(root_), want);
}

TEST_F(SmallTree, LongFileIsReportedAndOneAtTheLimitIsNot) {
  std::string text;
  for (int i = 0; i < kMaxLines; ++i) text += "\n";
  write("core/limit.cpp", text);
  write("core/long.cpp", text + "int one_more;\n");
  EXPECT_EQ(breaches(root_), Lines{"core/long.cpp: 601 lines; at most 600"});
}

}  // namespace
}  // namespace lorry::layers
