// Where --csv and --html of `lorry analyze` go when the name is no ordinary file.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <future>
#include <memory>

#include "cli/program.hpp"
#include "cli/small_adapters.hpp"
#include "io/io_support.hpp"

namespace lorry::cli {
namespace {

namespace fs = std::filesystem;

class AnalyzeOutputs : public testing::Test {
 protected:
  void SetUp() override {
    write_small_adapter(scratch_ / "a", {{.module = "model.layers.0.self_attn.q_proj",
                                          .a = {unit_row(8, 0)},
                                          .b = unit_columns(8, {1}, {1.0F})}});
  }
  Outcome spectrum(const std::vector<std::string>& more) {
    std::vector<std::string> all = {"analyze", "spectrum", scratch_ / "a", "--threads", "1"};
    all.insert(all.end(), more.begin(), more.end());
    return run_lorry(all);
  }

  io::ScratchFolder scratch_;
};

constexpr const char* kTitles = "adapter,module,layer,type,measure,k,value\n";

TEST_F(AnalyzeOutputs, LinksAreFollowedAndStay) {
  for (const char* flag : {"--csv", "--html"}) {
    const fs::path link = scratch_ / "link";
    fs::remove(link);
    io::put(scratch_ / "kept", "old");
    fs::create_symlink("kept", link);
    const Outcome outcome = spectrum({flag, link});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_TRUE(fs::is_symlink(link));
    EXPECT_FALSE(fs::is_symlink(scratch_ / "kept"));
    EXPECT_GT(io::get(scratch_ / "kept").size(), 100U);
  }
}

TEST_F(AnalyzeOutputs, AFifoIsWrittenToAndStays) {
  const std::string fifo = scratch_ / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::future<std::string> text = std::async(std::launch::async, [&] { return io::get(fifo); });
  const Outcome outcome = spectrum({"--csv", fifo});
  // Were it not opened, the reader would wait for ever.
  if (text.wait_for(std::chrono::seconds(20)) != std::future_status::ready) io::put(fifo, "");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(text.get().substr(0, 42), kTitles);
  EXPECT_TRUE(fs::is_fifo(fifo));
}

TEST_F(AnalyzeOutputs, StandardOutputIsAPlaceLikeAnyOther) {
  const Outcome outcome = spectrum({"--csv", "/dev/fd/1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.substr(0, 42), kTitles);
  EXPECT_NE(outcome.out.find("effective rank"), std::string::npos);
}

TEST_F(AnalyzeOutputs, AdaptersWhoseNamesLookAlikeInAFileKeepTheirCharts) {
  const auto charts = [&](const std::string& out, const std::string& first, const std::string& second) {
    fs::create_directories((scratch_ / first).parent_path());
    fs::create_directories((scratch_ / second).parent_path());
    for (const std::string& name : {first, second, std::string("r")}) {
      fs::copy(scratch_ / "a", scratch_ / name,
               fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    }
    const Outcome outcome = run_lorry({"analyze", "similarity", scratch_ / first, scratch_ / second,
                                       scratch_ / "r", "--svg", scratch_ / out, "--threads", "1"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return std::distance(fs::directory_iterator(scratch_ / out), fs::directory_iterator());
  };
  EXPECT_EQ(charts("alike", "x/y/r", "x_y/r"), charts("apart", "x/y/r", "z/r"));
}

// Names that no file may have, and two that differ only in what a file name replaces.
TEST_F(AnalyzeOutputs, EveryChartIsWrittenWhateverItsModuleIsCalled) {
  std::vector<SmallFactors> modules;
  for (const std::string& name : {std::string("层"), std::string("数"), std::string(300, 'x')}) {
    modules.push_back(
        {.module = "model." + name + ".q_proj", .a = {unit_row(8, 0)}, .b = unit_columns(8, {1}, {1.0F})});
  }
  write_small_adapter(scratch_ / "a", modules);
  const Outcome outcome = spectrum({"--svg", scratch_ / "charts"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  Index of_modules = 0;
  for (const auto& entry : fs::directory_iterator(scratch_ / "charts")) {
    if (entry.path().string().find(".q_proj-singular_values") != std::string::npos) ++of_modules;
  }
  EXPECT_EQ(of_modules, 3);
}

TEST_F(AnalyzeOutputs, TwoNamesOfOneFileAreSeen) {
  fs::create_symlink("page", scratch_ / "link");
  const Outcome outcome = spectrum({"--csv", scratch_ / "link", "--html", scratch_ / "page"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--csv, --html: found "), std::string::npos) << outcome.err;
  EXPECT_FALSE(fs::exists(scratch_ / "page"));
}

}  // namespace
}  // namespace lorry::cli
