#include "data/record_reader.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "core/error.hpp"
#include "data/sources.hpp"

namespace lorry::data {
namespace {

std::filesystem::path write(const std::string& name, std::string_view bytes) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "lorry_record_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / name, std::ios::binary) << bytes;
  return folder / name;
}

/// The message of the Error, with the path of the file's folder taken out; empty if there is none.
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    std::string text = error.what();
    const std::string folder = testing::TempDir() + "lorry_record_test/";
    for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }
  return "";
}

std::string message_for(const std::string& name, std::string_view bytes) {
  const auto path = write(name, bytes);
  return message_of([&] { read_records(path); });
}

TEST(ReadRecords, TakesTextAndIgnoresOtherKeysAndBlankLines) {
  const auto records =
      read_records(write("a.jsonl", "{\"text\":\"one\",\"id\":7}\r\n\n  \n{\"text\":\"\\u00e9\"}"));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].kind, RecordKind::kText);
  EXPECT_EQ(records[0].text, "one");
  EXPECT_EQ(records[1].text, "\xC3\xA9");
}

TEST(ReadRecords, TakesPromptAndCompletionBeforeText) {
  const auto records =
      read_records(write("b.jsonl",
                         "\xEF\xBB\xBF{\"text\":\"t\",\"prompt\":\"p\",\"completion\":\"c\"}\n"
                         "{\"prompt\":\"\",\"completion\":\"d\"}\n"));
  ASSERT_EQ(records.size(), 2U);
  EXPECT_EQ(records[0].kind, RecordKind::kCompletion);
  EXPECT_EQ(records[0].prompt, "p");
  EXPECT_EQ(records[0].text, "c");
  EXPECT_EQ(records[1].prompt, "");
}

TEST(ReadRecords, PlainTextIsOneRecordByteForByte) {
  const auto records = read_records(write("c.txt", "one\r\n\ntwo"));
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].text, "one\r\n\ntwo");
}

TEST(ReadRecords, NamesFileAndLineOfMalformedJson) {
  EXPECT_EQ(message_for("bad.jsonl", "{\"text\":\"a\"}\n\n{\"text\":\"b\"\n"),
            "[data] bad.jsonl:3: malformed JSON at byte 12 of the line; expected one whole object per line");
  EXPECT_EQ(message_for("bad.jsonl", "{\"text\":\"a\"} {\"text\":\"b\"}"),
            "[data] bad.jsonl:1: malformed JSON at byte 14 of the line; expected one whole object per line");
  EXPECT_EQ(message_for("bad.jsonl", "[1]\n"), "[data] bad.jsonl:1: found array; expected an object");
  EXPECT_EQ(message_for("bad.jsonl", "{\"text\":\"\\ud800\"}\n"),
            "[data] bad.jsonl:1: malformed JSON at byte 16 of the line; expected one whole object per line");
}

TEST(ReadRecords, RefusesDeeplyNestedInputWithoutOverflow) {
  std::string deep = "{\"text\":\"a\",\"x\":" + std::string(200000, '[');
  EXPECT_NE(message_for("deep.jsonl", deep).find("deep.jsonl:1: malformed JSON"), std::string::npos);
  deep += std::string(200000, ']') + "}";
  EXPECT_EQ(read_records(write("deep.jsonl", deep)).size(), 1U);
}

TEST(ReadRecords, NamesMissingAndWrongKeys) {
  EXPECT_EQ(message_for("k.jsonl", "{\"prompt\":\"a\",\"answer\":\"b\"}"),
            "[data] k.jsonl:1: found \"prompt\", \"answer\"; expected \"text\", \"prompt\" and "
            "\"completion\", \"messages\", "
            "\"conversations\", or \"instruction\" and \"output\"");
  EXPECT_EQ(
      message_for("k.jsonl", "{}"),
      "[data] k.jsonl:1: found no keys; expected \"text\", \"prompt\" and \"completion\", \"messages\", "
      "\"conversations\", or \"instruction\" and \"output\"");
  EXPECT_EQ(
      message_for("k.jsonl", "{\"text\":\"a\"}\n{\"prompt\":\"a\",\"completion\":\"b\"}"),
      "[data] k.jsonl:2: found a record of prompt and completion; expected text, as the file's first record");
  EXPECT_EQ(message_for("k.jsonl", "{\"text\":[\"a\"]}"),
            "[data] k.jsonl:1: key \"text\": found array; expected a string");
  EXPECT_EQ(message_for("k.jsonl", "{\"prompt\":\"a\",\"completion\":\"\"}"),
            "[data] k.jsonl:1: key \"completion\": empty; expected text to learn");
}

TEST(ReadRecords, NamesLineOfInvalidUtf8) {
  EXPECT_EQ(message_for("u.jsonl", "{\"text\":\"a\"}\n{\"text\":\"\xFF\"}"),
            "[data] u.jsonl:2: invalid UTF-8 at byte 10 of the line; expected a file in UTF-8");
  EXPECT_EQ(message_for("u.txt", "a\nb\xC3"),
            "[data] u.txt:2: invalid UTF-8 at byte 2 of the line; expected a file in UTF-8");
}

TEST(ReadRecords, RefusesEmptyDataAndUnknownFiles) {
  EXPECT_EQ(message_for("e.jsonl", ""), "[data] e.jsonl: empty data; expected at least one record");
  EXPECT_EQ(message_for("e.jsonl", "\n\n"), "[data] e.jsonl: empty data; expected at least one record");
  EXPECT_EQ(message_for("e.txt", ""), "[data] e.txt: empty data; expected at least one record");
  EXPECT_EQ(message_for("e.csv", "a,b"),
            "[data] e.csv: found a file ending in \".csv\"; expected .jsonl or .txt");
}

TEST(FindDataFile, PicksTheSplitInAFolder) {
  const auto file = write("train.jsonl", "{\"text\":\"a\"}");
  EXPECT_EQ(find_data_file(file.parent_path(), Split::kTrain), file);
  EXPECT_EQ(find_data_file(file, Split::kEvaluation), file);
  EXPECT_EQ(message_of([&] { find_data_file(file.parent_path(), Split::kEvaluation); }),
            "[data] valid.jsonl: no such file; expected it in the data folder");
  EXPECT_EQ(
      message_of([&] { find_data_file(file.parent_path() / "none.txt", Split::kTrain); }),
      "[data] none.txt: no such file; expected a .jsonl or .txt file, or a folder that holds train.jsonl");
}

}  // namespace
}  // namespace lorry::data
