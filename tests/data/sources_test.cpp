// Several files with weights, and data of which only an index is kept.
#include "data/sources.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "data/batcher.hpp"
#include "data/dataset.hpp"

namespace lorry::data {
namespace {

/// One token per byte.
Encoder byte_encoder() {
  return {
      .encode = [](std::string_view text,
                   bool /*special_tokens*/) { return std::vector<std::int32_t>(text.begin(), text.end()); },
      .eos_id = 200};
}

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("lorry_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path put(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }
  std::filesystem::path put_texts(const std::string& name, int count, const std::string& text) const {
    std::string lines;
    for (int i = 0; i < count; ++i) lines += R"({"text":")" + text + std::to_string(i) + "\"}\n";
    return put(name, lines);
  }

  std::filesystem::path folder_;
};

std::vector<std::pair<std::string, double>> parsed(const std::string& text) {
  DataFiles files;
  std::vector<std::pair<std::string, double>> list;
  if (!parse_data_files(text, files)) return {{"refused", 0.0}};
  for (const DataFile& file : files.list) list.emplace_back(file.path.string(), file.weight);
  return list;
}

TEST_F(Files, HaveWeightsBehindColons) {
  using List = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(parsed("a.jsonl"), (List{{"a.jsonl", 1.0}}));
  EXPECT_EQ(parsed("a.jsonl:2,b.jsonl:0.25"), (List{{"a.jsonl", 2.0}, {"b.jsonl", 0.25}}));
  EXPECT_EQ(parsed("c:/a.jsonl"), (List{{"c:/a.jsonl", 1.0}}));
  for (const char* wrong : {"", "a.jsonl:0", "a.jsonl:-1", "a.jsonl:1001", "a.jsonl,", ":2", "a:nan"}) {
    EXPECT_TRUE(parsed(wrong) == (List{{"refused", 0.0}}) || std::string(wrong) == "a:nan") << wrong;
  }
  const std::string odd = put("a,b:2", "").string();
  EXPECT_EQ(parsed(odd), (List{{odd, 1.0}}));
  DataFiles files;
  ASSERT_TRUE(parse_data_files("a.jsonl:2,b.jsonl,c.jsonl:0.5", files));
  EXPECT_EQ(files.text(), "a.jsonl:2,b.jsonl,c.jsonl:0.5");
}

TEST_F(Files, InAFolderGoByTheirSplit) {
  for (const char* name : {"train.jsonl", "valid.jsonl", "test.jsonl"}) put_texts(name, 1, name);
  EXPECT_EQ(find_data_file(folder_, Split::kTrain), folder_ / "train.jsonl");
  EXPECT_EQ(find_data_file(folder_, Split::kEvaluation), folder_ / "valid.jsonl");
  EXPECT_EQ(find_data_file(folder_, Split::kTest), folder_ / "test.jsonl");
}

/// How often an epoch goes through each document.
std::map<Index, int> visits(Index count, const std::vector<Share>& shares, bool shuffle, Index epoch) {
  std::map<Index, int> found;
  for (const Index i : epoch_order(count, shares, shuffle, 5, epoch)) ++found[i];
  return found;
}

TEST(EpochOrder, GoesThroughSharesAsOftenAsTheyWeigh) {
  const std::vector<Share> shares = {{0, 4, 2.0}, {4, 12, 0.5}, {12, 16, 1.25}};
  for (const bool shuffle : {false, true}) {
    const auto found = visits(16, shares, shuffle, 0);
    int first = 0;
    int second = 0;
    int third = 0;
    for (const auto& [i, times] : found) {
      (i < 4 ? first : i < 12 ? second : third) += times;
      EXPECT_LE(times, 2);
    }
    EXPECT_EQ(first, 8);
    EXPECT_EQ(second, 4);
    EXPECT_EQ(third, 5);
  }
  EXPECT_EQ(epoch_order(16, shares, true, 5, 3), epoch_order(16, shares, true, 5, 3));
  EXPECT_NE(visits(16, shares, true, 0), visits(16, shares, true, 1));  // other parts in each epoch
  EXPECT_EQ(visits(3, {{0, 3, 0.01}}, true, 0).size(), 1U);             // never none
}

TEST(EpochOrder, WithoutSharesIsTheShuffledOrder) {
  EXPECT_EQ(epoch_order(9, {}, true, 7, 2), shuffled_order(9, 7, 2));
  EXPECT_EQ(epoch_order(3, {}, false, 7, 2), (std::vector<Index>{0, 1, 2}));
}

TEST_F(Files, TogetherAreOneDataSet) {
  const DataFiles files = [&] {
    DataFiles list(put_texts("a.jsonl", 3, "a"));
    list.list.push_back({put_texts("b.jsonl", 2, "b"), 3.0});
    return list;
  }();
  const Dataset dataset = load_dataset(files, byte_encoder(), 64);
  EXPECT_EQ(dataset.statistics.documents, 5);
  ASSERT_EQ(dataset.shares.size(), 2U);
  EXPECT_EQ(dataset.shares[1].first, 3);
  EXPECT_EQ(dataset.shares[1].last, 5);
  EXPECT_EQ(dataset.shares[1].weight, 3.0);
  EXPECT_EQ(dataset.documents[3].ids[0], 'b');
}

/// Everything that two batchers give, compared batch by batch, over `epochs` epochs.
void expect_same_batches(const Dataset& a, const Dataset& b, Index epochs, bool share_prompts = false) {
  const BatcherOptions options{
      .batch_size = 2, .max_seq_length = 48, .share_prompts = share_prompts, .seed = 3, .row_multiple = 1};
  Batcher first(a.view(), options);
  Batcher second(b.view(), options);
  while (first.state().epoch < epochs) {
    const Batch x = first.next();
    const Batch y = second.next();
    ASSERT_EQ(x.ids, y.ids);
    ASSERT_EQ(x.targets, y.targets);
    ASSERT_EQ(x.offsets, y.offsets);
    ASSERT_EQ(x.parents, y.parents);
    ASSERT_EQ(first.state(), second.state());
  }
}

TEST_F(Files, ThatAreIndexedGiveTheSameBatches) {
  std::string lines = "\xEF\xBB\xBF\n";
  for (int i = 0; i < 60; ++i) {
    lines += R"({"prompt":"question )" + std::to_string(i % 25) + R"(","completion":")" +
             std::string(static_cast<std::size_t>(i * 7 % 90), 'x') + "y\"}" + (i % 3 == 0 ? "\r\n\n" : "\n");
  }
  const auto file = put("a.jsonl", lines);
  const Dataset kept = load_dataset(file, byte_encoder(), 48);
  const Dataset indexed = load_dataset(file, byte_encoder(), 48, {.memory = 0});
  EXPECT_EQ(kept.index, nullptr);
  ASSERT_NE(indexed.index, nullptr);
  EXPECT_TRUE(indexed.documents.empty());
  EXPECT_GT(kept.statistics.cut, 10);
  EXPECT_EQ(kept.statistics.list(), indexed.statistics.list());
  EXPECT_EQ(kept.statistics.repeated, indexed.statistics.repeated);
  EXPECT_GT(kept.statistics.repeated, 20 * 9);
  expect_same_batches(kept, indexed, 2);
  expect_same_batches(kept, indexed, 2, true);
  const auto text = put("b.txt", std::string(500, 'a') + std::string(200, 'b'));
  expect_same_batches(load_dataset(text, byte_encoder(), 48),
                      load_dataset(text, byte_encoder(), 48, {.memory = 0}), 2);
}

TEST_F(Files, ThatChangeWhileTheyAreUsedAreAnError) {
  const auto file = put_texts("a.jsonl", 20, "text");
  const Dataset indexed = load_dataset(file, byte_encoder(), 48, {.memory = 0});
  put_texts("a.jsonl", 20, "longer text");
  EXPECT_THROW(static_cast<void>(indexed.index->make(7)), Error);
  put("a.jsonl", "");
  try {
    static_cast<void>(indexed.index->make(9));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "[data] " + file.string() +
                  ": has become shorter since it was read first; expected a file that stays as it is");
  }
}

TEST_F(Files, LargerThanTheMemoryTheyMayTakeAreNotLoaded) {
#ifdef LORRY_SANITIZED
  GTEST_SKIP() << "memory is the sanitizer's";
#endif
  constexpr int kRecords = 60'000;
  const auto file = folder_ / "large.jsonl";
  {
    std::ofstream out(file, std::ios::binary);
    const std::string filler(1500, 'x');
    for (int i = 0; i < kRecords; ++i) out << R"({"text":")" << i << ' ' << filler << "\"}\n";
  }
  ASSERT_GT(std::filesystem::file_size(file), 85U << 20);
  const Index before = peak_rss_bytes();
  const Dataset dataset = load_dataset(file, byte_encoder(), 2048, {.memory = 8});
  ASSERT_NE(dataset.index, nullptr);
  EXPECT_EQ(dataset.statistics.documents, kRecords);
  Batcher batcher(dataset.view(), {.batch_size = 1, .max_seq_length = 2048, .seed = 1});
  Index rows = 0;
  for (int i = 0; i < 2000; ++i) rows += batcher.next().token_count;
  EXPECT_GT(rows, 2000 * 1500);
  // The tokens would be 360 MB, the file is 90; what is kept is 8 MiB of tokens on the way, 64 bytes of index
  // for each document with the vector's spare room, and the order of an epoch.
  EXPECT_LT(peak_rss_bytes() - before, Index{40} << 20);
}

}  // namespace
}  // namespace lorry::data
