#include "score/instances.hpp"

#include <gtest/gtest.h>

#include "io/io_support.hpp"

namespace lorry::score {
namespace {

using Texts = std::vector<std::string>;

class Instances : public ::testing::Test {
 protected:
  std::vector<Instance> read(const std::string& hypotheses, const std::string& references) {
    return read_instances(scratch_ / hypotheses, scratch_ / references);
  }
  void put(const std::string& name, std::string_view bytes) { io::put(scratch_ / name, bytes); }
  std::string message(const std::string& hypotheses, const std::string& references) {
    std::string text = io::error_of([&] { read(hypotheses, references); });
    const std::string folder = scratch_.path().string() + "/";
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }

 private:
  io::ScratchFolder scratch_;
};

TEST_F(Instances, PlainTextIsMatchedByItsOrder) {
  put("out.txt", "one\r\n\nthree\n");
  put("refs.txt", "\nr1\nr2\n\n\nr3\n \nr4\r\n\n");
  const auto instances = read("out.txt", "refs.txt");
  ASSERT_EQ(instances.size(), 3U);
  EXPECT_EQ(instances[0].hypothesis, "one");
  EXPECT_EQ(instances[0].references, (Texts{"r1", "r2"}));
  EXPECT_EQ(instances[1].hypothesis, "");
  EXPECT_EQ(instances[1].references, Texts{"r3"});
  EXPECT_EQ(instances[2].references, Texts{"r4"});
}

TEST_F(Instances, PromptsAreMatchedWhereBothHaveThem) {
  put("out.jsonl", R"({"prompt": "b", "completion": "B"}
{"prompt": "a", "completion": "A"}
{"prompt": "b", "completion": "later"}
)");
  put("refs.jsonl", R"({"prompt": "a", "completion": "a1"}

{"prompt": "b", "completion": "b1"}
{"prompt": "a", "completion": "a2"}
)");
  const auto instances = read("out.jsonl", "refs.jsonl");
  ASSERT_EQ(instances.size(), 2U);
  EXPECT_EQ(instances[0].hypothesis, "A");
  EXPECT_EQ(instances[0].references, (Texts{"a1", "a2"}));
  EXPECT_EQ(instances[1].hypothesis, "B");
  EXPECT_EQ(instances[1].references, Texts{"b1"});
}

TEST_F(Instances, ListsOfReferencesAreMatchedByTheirOrder) {
  put("out.jsonl", "{\"completion\": \"A\"}\n{\"completion\": \"B\"}\n");
  put("refs.jsonl", "{\"references\": [\"a1\", \"a2\"]}\n{\"references\": [\"b1\"]}\n");
  const auto instances = read("out.jsonl", "refs.jsonl");
  ASSERT_EQ(instances.size(), 2U);
  EXPECT_EQ(instances[0].references, (Texts{"a1", "a2"}));
  EXPECT_EQ(instances[1].hypothesis, "B");
}

TEST_F(Instances, SayWhatIsWrong) {
  put("one.txt", "a\n");
  put("two.txt", "a\n\nb\n");
  put("empty.txt", "\n");
  EXPECT_EQ(message("one.txt", "two.txt"),
            "[score] one.txt: found 1 texts; expected 2, as many as two.txt has groups of references");
  EXPECT_EQ(message("one.txt", "empty.txt"), "[score] empty.txt: no references; expected at least one");
  put("a.jsonl", "{\"prompt\": \"a\", \"completion\": \"A\"}\n");
  put("b.jsonl", "{\"prompt\": \"b\", \"completion\": \"B\"}\n");
  EXPECT_EQ(message("a.jsonl", "b.jsonl"),
            R"([score] a.jsonl: no completion for the prompt "b", which has references; expected one)");
  put("text.jsonl", "\n{\"text\": \"a\"}\n");
  EXPECT_EQ(message("text.jsonl", "one.txt"),
            R"([score] text.jsonl:2: key "completion": missing; expected the text to score)");
  EXPECT_EQ(
      message("one.txt", "text.jsonl"),
      R"([score] text.jsonl:2: found neither "references" nor "prompt" and "completion"; expected one)");
  put("list.jsonl", "{\"references\": []}\n");
  EXPECT_EQ(
      message("one.txt", "list.jsonl"),
      R"([score] list.jsonl:1: key "references": found an empty list; expected a list of texts, at least one)");
  put("number.jsonl", "{\"references\": [1]}\n");
  EXPECT_EQ(message("one.txt", "number.jsonl"),
            R"([score] number.jsonl:1: key "references": found number; expected a string)");
  put("bytes.txt", "\xFF\n");
  EXPECT_EQ(message("bytes.txt", "one.txt").substr(0, 35), "[data] bytes.txt:1: invalid UTF-8 a");
}

}  // namespace
}  // namespace lorry::score
