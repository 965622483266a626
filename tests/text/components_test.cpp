// Each step and flag alone, in a small tokenizer, against Hugging Face tokenizers.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "text/golden_support.hpp"
#include "text/stream_decoder.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {
namespace {

using Json = nlohmann::json;

// As `splice` in scripts/golden/tokenizer_components.py.
Json splice(Json document, const Json& fields) {
  for (const auto& [key, value] : fields.items()) {
    if (key == "model") {
      document["model"].update(value);
      continue;
    }
    if (key != "added_tokens") {
      document[key] = value;
      continue;
    }
    const Json vocab = document["model"]["vocab"];
    int next = 0;
    for (const Json& id : vocab) next = std::max(next, id.get<int>() + 1);
    for (const Json& token : document["added_tokens"]) next = std::max(next, token["id"].get<int>() + 1);
    for (Json token : value) {
      const auto known = vocab.find(token["content"].get<std::string>());
      token["id"] = known != vocab.end() ? known->get<int>() : next++;
      document["added_tokens"].push_back(token);
    }
  }
  return document;
}

class Components : public testing::TestWithParam<std::size_t> {};

TEST_P(Components, GiveTheSameIdsAndTexts) {
  const Json golden = read_golden("components.json");
  const Json& test = golden["cases"][GetParam()];
  SCOPED_TRACE(test["name"].get<std::string>());
  const Json document =
      splice(read_golden(test["base"].get<std::string>() + "/tokenizer.json"), test["fields"]);
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  std::ofstream(file) << document;
  const Tokenizer tokenizer = Tokenizer::load(file);
  std::vector<std::string> specials;
  for (const Json& token : document["added_tokens"]) specials.push_back(token["content"]);
  TextGenerator generator(specials);
  std::array<std::uint32_t, 2> sums{};
  for (std::uint64_t i = 0; i < golden["strings"].get<std::uint64_t>(); ++i) {
    auto ids = tokenizer.encode(generator.string(i));
    const std::string text = tokenizer.decode(ids);
    sums[1] = crc32(text + "\xFF", sums[1]);
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const std::int32_t id : ids) streamed += stream.push(id);
    ASSERT_EQ(streamed + stream.finish(), text);
    ids.push_back(-1);
    sums[0] = crc32_ids(ids, sums[0]);
  }
  EXPECT_EQ(sums, (test["sums"].get<std::array<std::uint32_t, 2>>()));
}

INSTANTIATE_TEST_SUITE_P(All, Components, testing::Range<std::size_t>(0, 73));

TEST(ComponentsFile, HasNoCaseThatNoTestRuns) {
  EXPECT_EQ(read_golden("components.json")["cases"].size(), 73U);
}

}  // namespace
}  // namespace lorry::text
