#include "io/json_file.hpp"

#include <limits>

#include "io/io_support.hpp"
#include "io/json_fields.hpp"

namespace lorry::io {
namespace {

TEST(JsonFile, WritesWithIndentTwoAndReadsBack) {
  const ScratchFolder folder;
  OrderedJson value;
  value["b"] = 1;
  value["a"] = {1.5, "é"};
  write_json_file(folder / "x.json", value);
  EXPECT_EQ(get(folder / "x.json"), "{\n  \"b\": 1,\n  \"a\": [\n    1.5,\n    \"é\"\n  ]\n}\n");
  EXPECT_EQ(read_json_file(folder / "x.json"), Json::parse(R"({"a": [1.5, "é"], "b": 1})"));
}

TEST(JsonFile, NamesLineAndColumnOfAFault) {
  EXPECT_EQ(
      error_of([] { parse_json("{\n  \"a\": ]", "config.json"); }),
      "[load] config.json: not valid JSON: line 2, column 8: syntax error while parsing value - unexpected "
      "']'; expected '[', '{', or a literal");
  EXPECT_EQ(
      error_of([] { parse_json("", "config.json"); }),
      "[load] config.json: not valid JSON: line 1, column 1: syntax error while parsing value - unexpected "
      "end of input; expected '[', '{', or a literal");
}

TEST(JsonFile, KeepsMessagesShortAndOnOneLine) {
  const std::string message =
      error_of([] { parse_json("\"" + std::string(10'000, 'x') + "\xff\n\"", "config.json"); });
  EXPECT_LT(message.size(), 300U);
  for (const char c : message) EXPECT_TRUE(c >= ' ' && c <= '~');
}

TEST(JsonFile, DoesNotNameTheLibrary) {
  EXPECT_EQ(error_of([] { parse_json("[1e999]", "config.json"); }),
            "[load] config.json: not valid JSON: number overflow parsing '1e999'");
}

TEST(JsonFile, RefusesDeepNesting) {
  const std::string deep = std::string(1'000'000, '[');
  EXPECT_EQ(error_of([&] { parse_json(deep, "config.json"); }),
            "[load] config.json: found 1000000 levels of brackets; expected at most 256");
  EXPECT_EQ(parse_json(std::string(256, '[') + std::string(256, ']'), "f").size(), 1U);
  EXPECT_EQ(parse_json("[\"" + std::string(1000, '[') + "\\\"[\"]", "f").size(), 1U);  // brackets in a string
}

TEST(JsonFile, RefusesToWriteWhatIsNotUtf8) {
  const ScratchFolder folder;
  EXPECT_EQ(error_of([&] { write_json_file(folder / "x.json", Json("\xff")); }),
            "[write] " + (folder / "x.json").string() + ": found a string that is not UTF-8; expected UTF-8");
  EXPECT_TRUE(folder.names().empty());
}

class JsonFields : public ::testing::Test {
 protected:
  const Json json_ = Json::parse(R"({"size": 64, "word": "abc", "rate": 1e-5, "whole": 10000, "flag": true,
      "nothing": null, "list": ["q", "k"], "mixed": ["q", 1], "below": {"factor": 8.0, "deep": {"x": 3}},
      "negative": -1, "huge": 18446744073709551615, "float": 64.0})");
};

TEST_F(JsonFields, GivesValues) {
  EXPECT_EQ(get_index(json_, "size", "f"), 64);
  EXPECT_EQ(get_index(json_, "below.deep.x", "f"), 3);
  EXPECT_EQ(get_index(json_, "negative", "f", -1), -1);
  EXPECT_EQ(get_number(json_, "rate", "f"), 1e-5);
  EXPECT_EQ(get_number(json_, "whole", "f"), 10000.0);
  EXPECT_EQ(get_number(json_, "below.factor", "f"), 8.0);
  EXPECT_TRUE(get_bool(json_, "flag", "f"));
  EXPECT_EQ(get_string(json_, "word", "f"), "abc");
  EXPECT_EQ(get_strings(json_, "list", "f"), (std::vector<std::string>{"q", "k"}));
  EXPECT_EQ(get_array(json_, "list", "f").size(), 2U);
  EXPECT_EQ(get_object(json_, "below", "f").size(), 2U);
}

TEST_F(JsonFields, TakesNullForAbsent) {
  EXPECT_EQ(find_index(json_, "nothing", "f"), std::nullopt);
  EXPECT_EQ(find_number(json_, "absent", "f"), std::nullopt);
  EXPECT_EQ(find_bool(json_, "nothing", "f"), std::nullopt);
  EXPECT_EQ(find_string(json_, "absent.too", "f"), std::nullopt);
  EXPECT_EQ(find_strings(json_, "nothing.too", "f"), std::nullopt);
  EXPECT_EQ(find_field(json_, "nothing", "f"), nullptr);
}

TEST_F(JsonFields, SaysWhatWasFoundAndExpected) {
  const auto index_error = [&](std::string_view field, Index least = 1,
                               Index most = std::numeric_limits<Index>::max()) {
    return error_of([&] { get_index(json_, field, "config.json", least, most); });
  };
  EXPECT_EQ(index_error("word"),
            "[load] config.json: field \"word\": found \"abc\"; expected a positive integer");
  EXPECT_EQ(index_error("absent"),
            "[load] config.json: field \"absent\": missing; expected a positive integer");
  EXPECT_EQ(index_error("negative", 0),
            "[load] config.json: field \"negative\": found -1; expected a non-negative integer");
  EXPECT_EQ(
      index_error("huge", 2),
      "[load] config.json: field \"huge\": found 18446744073709551615; expected an integer of at least 2");
  EXPECT_EQ(index_error("size", 1, 63),
            "[load] config.json: field \"size\": found 64; expected an integer from 1 to 63");
  EXPECT_EQ(index_error("float"),
            "[load] config.json: field \"float\": found 64.0; expected a positive integer");
  EXPECT_EQ(index_error("word.x"), "[load] config.json: field \"word\": found \"abc\"; expected an object");
  EXPECT_EQ(error_of([&] { get_number(json_, "flag", "f"); }),
            "[load] f: field \"flag\": found true; expected a finite number");
  EXPECT_EQ(error_of([&] { get_bool(json_, "size", "f"); }),
            "[load] f: field \"size\": found 64; expected true or false");
  EXPECT_EQ(error_of([&] { get_string(json_, "size", "f"); }),
            "[load] f: field \"size\": found 64; expected a string");
  EXPECT_EQ(error_of([&] { get_strings(json_, "mixed", "f"); }),
            "[load] f: field \"mixed\": found [\"q\",1]; expected a list of strings");
  EXPECT_EQ(error_of([&] { get_array(json_, "below", "f"); }),
            "[load] f: field \"below\": found {\"deep\":{\"x\":3},\"factor\":8.0}; expected a list");
  EXPECT_EQ(error_of([&] { get_object(json_, "nothing", "f"); }),
            "[load] f: field \"nothing\": missing; expected an object");
  EXPECT_EQ(error_of([] { get_index(Json::array(), "size", "f"); }),
            "[load] f: found []; expected an object");
}

}  // namespace
}  // namespace lorry::io
