// The output folder of a sweep: who may write there, and what is a finished cell.
#include "sweep/cell_store.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"

namespace lorry::sweep {
namespace {

CellResult some_result() {
  CellResult result;
  result.settings = {{"steps", 3}};
  result.inputs = {{"model", "m"}};
  result.trainable_parameters = 10;
  result.steps = 3;
  result.loss = 0.1 + 0.2;
  result.held_out = {{0, 2.5}, {3, 1.25}};
  result.training = {{3, 1.5}};
  result.seconds = 0.5;
  result.wall_seconds = 0.75;
  result.tokens_per_second = 1234.5;
  result.peak_rss_bytes = 1000;
  return result;
}

class Store : public testing::Test {
 protected:
  std::string error(CellStore::Access access = CellStore::Access::kWrite) {
    return io::error_of([&] { const CellStore store(out_, access); });
  }
  void put_result(const std::string& text) {
    std::filesystem::create_directories(out_ / "cells" / "a");
    io::put(out_ / "sweep.json", R"({"kind": "lorry sweep"})");
    io::put(out_ / "cells" / "a" / "result.json", text);
  }
  std::string find_error() {
    const CellStore store(out_, CellStore::Access::kWrite);
    return io::error_of([&] { static_cast<void>(store.find("a")); });
  }

  io::ScratchFolder folder_;
  std::filesystem::path out_ = folder_ / "out";
};

TEST_F(Store, ResultComesBackAsItWas) {
  const CellStore store(out_, CellStore::Access::kWrite);
  EXPECT_FALSE(store.find("a").has_value());
  const CellResult result = some_result();
  put_result(to_json(result, "a").dump());
  const auto found = store.find("a");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(io::Json(to_json(*found, "a")), io::Json(to_json(result, "a")));
  EXPECT_EQ(found->loss, 0.1 + 0.2);
  EXPECT_EQ(found->held_out_loss(), 1.25);
}

TEST_F(Store, OneWriterAtATime) {
  {
    const CellStore store(out_, CellStore::Access::kWrite);
    EXPECT_EQ(error(), fmt::format("[sweep] --out {}: another process is writing there; expected it to end "
                                   "first, or another folder",
                                   out_.string()));
    EXPECT_EQ(error(CellStore::Access::kRead), "no error");
  }
  EXPECT_EQ(error(), "no error");
}

TEST_F(Store, FolderIsKnownByItsMarkerAndAKillBeforeItHurtsNothing) {
  std::filesystem::create_directory(out_);
  io::put(out_ / ".sweep.json.tmp-999999999-0", "{");
  EXPECT_EQ(error(), "no error");
  EXPECT_EQ(io::Json::parse(io::get(out_ / "sweep.json")).at("kind"), "lorry sweep");
  io::put(out_ / "notes.txt", "mine");
  EXPECT_EQ(error(), "no error");
}

TEST_F(Store, ReadingMakesNothing) {
  EXPECT_EQ(error(CellStore::Access::kRead), "no error");
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(Store, FoldersOfOthersAreRefused) {
  std::filesystem::create_directory(out_);
  EXPECT_EQ(error(CellStore::Access::kRead), "no error");  // an empty one
  io::put(out_ / "report.md", "mine");
  std::filesystem::create_directory(out_ / "cells");  // a biologist's
  const std::string refusal = fmt::format(
      "[sweep] --out {}: holds other things; expected a new folder or that of a sweep (with sweep.json)",
      out_.string());
  for (const auto access : {CellStore::Access::kRead, CellStore::Access::kWrite}) {
    EXPECT_EQ(error(access), refusal);
  }
  EXPECT_EQ(io::get(out_ / "report.md"), "mine");
  for (const char* other : {"{}", "[]", R"({"kind": 1})", R"({"kind": "grid"})"}) {
    io::put(out_ / "sweep.json", other);
    EXPECT_EQ(error(), refusal) << other;
    EXPECT_EQ(io::get(out_ / "sweep.json"), other);
  }
  std::filesystem::remove_all(out_);
  io::put(out_, "");
  EXPECT_EQ(error(), fmt::format("[sweep] --out {}: found a file; expected a folder", out_.string()));
}

TEST_F(Store, DamagedResultsAreNamed) {
  put_result("{");
  EXPECT_NE(find_error().find("result.json"), std::string::npos);
  put_result("[]");
  EXPECT_NE(find_error().find("result.json: found no object"), std::string::npos);
  io::OrderedJson json = to_json(some_result(), "a");
  json["loss"] = "low";
  put_result(json.dump());
  EXPECT_NE(find_error().find("field \"loss\": found \"low\""), std::string::npos);
  json = to_json(some_result(), "a");
  json["held_out"] = io::OrderedJson::array();
  put_result(json.dump());
  EXPECT_NE(find_error().find("field \"held_out\": found no losses"), std::string::npos);
  json["held_out"] = {1, 2};
  put_result(json.dump());
  EXPECT_NE(find_error().find("field \"held_out\""), std::string::npos);
  std::filesystem::remove(out_ / "cells" / "a" / "result.json");
  EXPECT_NE(find_error().find("result.json"), std::string::npos);
}

}  // namespace
}  // namespace lorry::sweep
