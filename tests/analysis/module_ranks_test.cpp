// Adapters whose modules differ in rank and scale, as rank_pattern and alpha_pattern say.
#include "model/module_ranks.hpp"

#include <gtest/gtest.h>

#include "analysis/adapter_reader.hpp"
#include "analysis/compress.hpp"
#include "io/io_support.hpp"
#include "support/golden_folder.hpp"

namespace lorry::analysis {
namespace {

const std::filesystem::path kAdapters = golden_folder() / "adapters/accepted";

TEST(ModuleRanks, EachModuleIsReadWithItsOwn) {
  for (const char* name : {"patterns", "pattern_order"}) {
    const model::ModuleRanks ranks(model::load_peft_config(kAdapters / name), "[test]");
    const auto updates = open_adapter(kAdapters / name);
    ASSERT_GE(updates->modules().size(), 4U);
    for (const UpdateInfo& info : updates->modules()) {
      EXPECT_EQ(info.rank, ranks.rank(info.module)) << info.module;
      EXPECT_NEAR(info.scale, ranks.alpha(info.module) / static_cast<double>(info.rank), 1e-15)
          << info.module;
    }
  }
}

TEST(ModuleRanks, CompressedModulesKeepTheirs) {
  const auto updates = open_adapter(kAdapters / "patterns");
  CompressOptions options;
  options.energy_share = 0.8;
  options.threads = 1;
  const std::vector<CompressedModule> compressed = compress(*updates, options);
  const io::ScratchFolder folder;
  save_compressed(folder / "out", compressed, "base", false);
  const auto read = open_adapter(folder / "out");
  ASSERT_EQ(read->modules().size(), compressed.size());
  bool differ = false;
  for (std::size_t i = 0; i < compressed.size(); ++i) {
    const UpdateInfo& info = read->modules()[i];
    EXPECT_EQ(info.module, compressed[i].info.module);
    EXPECT_EQ(info.rank, compressed[i].rank);
    EXPECT_EQ(info.scale, 1.0);
    differ = differ || info.rank != compressed[0].rank;
  }
  EXPECT_TRUE(differ);  // else this shows little
}

}  // namespace
}  // namespace lorry::analysis
