// Files that cannot be read: one line each that names the file, the field and what was found.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "core/error.hpp"
#include "text/golden_support.hpp"
#include "text/tokenizer.hpp"

namespace lorry::text {
namespace {

using Json = nlohmann::json;

std::string message_of(const std::filesystem::path& path) {
  try {
    (void)Tokenizer::load(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "loaded";
}

Json small_document() {
  return Json::parse(R"({"version": "1.0", "added_tokens": [{"id": 3, "content": "<s>", "special": true}],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

// The message for the small document with `value` at the JSON pointer `where`, without "[load tokenizer]
// FILE: ".
std::string message_with(const std::string& where, const std::string& value) {
  Json document = small_document();
  document[Json::json_pointer(where)] = Json::parse(value);
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  std::ofstream(file) << document;
  const std::string message = message_of(file);
  const std::string prefix = "[load tokenizer] " + file.string() + ": ";
  EXPECT_TRUE(message.starts_with(prefix)) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

TEST(LoadErrors, TheSmallDocumentIsFine) {
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  std::ofstream(file) << small_document();
  EXPECT_EQ(Tokenizer::load(file).encode("ab<s>a"), (std::vector<std::int32_t>{2, 3, 0}));
}

TEST(LoadErrors, MissingFilesAreNamed) {
  const std::filesystem::path folder = scratch_folder();
  EXPECT_EQ(message_of(folder),
            "[load tokenizer] " + (folder / "tokenizer.json").string() +
                ": no such file; expected a Hugging Face tokenizer.json (tokenizer.model is not read)");
  EXPECT_EQ(message_of(folder / "x.json"), "[load tokenizer] " + (folder / "x.json").string() +
                                               ": cannot be opened; expected a readable file");
}

TEST(LoadErrors, BrokenJsonIsNamed) {
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  for (const std::string text : {"", "{", "{\"model\": \"\xFF\"}", "nul", "[1, 2"}) {
    std::ofstream(file, std::ios::trunc) << text;
    EXPECT_NE(message_of(file).find("tokenizer.json: not valid JSON: "), std::string::npos)
        << message_of(file);
  }
  std::ofstream(file, std::ios::trunc) << std::string(1000000, '[');
  EXPECT_NE(message_of(file).find("not valid JSON"), std::string::npos);
}

TEST(LoadErrors, FaultsDoNotNameTheJsonLibrary) {
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  for (const std::string text : {"nul", "[1e999]"}) {
    std::ofstream(file, std::ios::trunc) << text;
    EXPECT_EQ(message_of(file).find("exception"), std::string::npos) << message_of(file);
  }
}

TEST(LoadErrors, WhatIsNoRegularFileIsNotOpened) {
  const std::filesystem::path folder = scratch_folder();
  std::filesystem::create_directories(folder / "tokenizer.json");
  EXPECT_EQ(message_of(folder), "[load tokenizer] " + (folder / "tokenizer.json").string() +
                                    ": found a folder; expected a regular file");
  ASSERT_EQ(::mkfifo((folder / "pipe.json").c_str(), 0600), 0);
  EXPECT_EQ(message_of(folder / "pipe.json"), "[load tokenizer] " + (folder / "pipe.json").string() +
                                                  ": found a device or pipe; expected a regular file");
}

TEST(LoadErrors, TokenizerConfigFieldsAreNamed) {
  const std::filesystem::path folder = scratch_folder();
  std::ofstream(folder / "tokenizer.json") << small_document();
  const auto message = [&](const char* config) {
    std::ofstream(folder / "tokenizer_config.json", std::ios::trunc) << config;
    return message_of(folder);
  };
  const std::string prefix = "[load tokenizer] " + (folder / "tokenizer_config.json").string() + ": ";
  EXPECT_EQ(message(R"({"bos_token": 3})"), prefix + "bos_token: found 3; expected a string or an object");
  EXPECT_EQ(message(R"({"chat_template": 3})"),
            prefix + "chat_template: found 3; expected a string or a list");
}

TEST(LoadErrors, UnsupportedStepsAreNamed) {
  EXPECT_EQ(message_with("/model/type", "\"Unigram\""), "model.type: found \"Unigram\"; expected BPE");
  EXPECT_EQ(message_with("/model/dropout", "0.1"), "model.dropout: found 0.1; expected null or 0");
  EXPECT_EQ(message_with("/model/end_of_word_suffix", "\"</w>\""),
            "model.end_of_word_suffix: found \"</w>\"; expected null or \"\"");
  EXPECT_EQ(message_with("/normalizer", R"({"type": "Precompiled"})"),
            "normalizer.type: found \"Precompiled\"; expected Sequence, Prepend, Replace, NFC, NFD, NFKC, "
            "NFKD, Lowercase "
            "or Strip");
  EXPECT_EQ(
      message_with("/pre_tokenizer",
                   R"({"type": "Sequence", "pretokenizers": [{"type": "BertPreTokenizer"}]})"),
      "pre_tokenizer.pretokenizers[0].type: found \"BertPreTokenizer\"; expected Sequence, ByteLevel, Split, "
      "Metaspace, Digits, Punctuation, Whitespace or WhitespaceSplit");
  EXPECT_EQ(
      message_with("/post_processor", R"({"type": "RobertaProcessing"})"),
      "post_processor.type: found \"RobertaProcessing\"; expected Sequence, TemplateProcessing or ByteLevel");
  EXPECT_EQ(message_with("/decoder", R"({"type": "WordPiece"})"),
            "decoder.type: found \"WordPiece\"; expected Sequence, ByteLevel, ByteFallback, Fuse, Replace, "
            "Strip or "
            "Metaspace");
  EXPECT_EQ(message_with("/version", "\"2.0\""), "version: found \"2.0\"; expected \"1.0\"");
  EXPECT_EQ(message_with(
                "/pre_tokenizer",
                R"({"type": "Split", "pattern": {"Regex": "\\b"}, "behavior": "Isolated", "invert": false})"),
            "pre_tokenizer.pattern.Regex: \\b in the regular expression \\b is not supported");
}

TEST(LoadErrors, WrongTypesAndMissingFieldsAreNamed) {
  EXPECT_EQ(message_with("/model", "7"), "model: found 7; expected an object");
  EXPECT_EQ(message_with("/model", "{}"), "model: field \"vocab\" is missing");
  EXPECT_EQ(message_with("/model/vocab", "[1]"),
            "model.vocab: found a list of 1; expected an object from token to id");
  EXPECT_EQ(message_with("/model/fuse_unk", "1"), "model.fuse_unk: found 1; expected true or false");
  EXPECT_EQ(message_with("/added_tokens", "3"), "added_tokens: found 3; expected a list");
  EXPECT_EQ(message_with("/added_tokens/0/content", "[]"),
            "added_tokens[0].content: found a list of 0; expected a string");
  EXPECT_EQ(message_with("/decoder", R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})"),
            "decoder.content: found \"ab\"; expected one character");
}

TEST(LoadErrors, IdsThatLieAreNamed) {
  const std::string range = "; expected an integer from 0 to 16777215";
  EXPECT_EQ(message_with("/model/vocab/a", "-1"), "model.vocab[\"a\"]: found -1" + range);
  EXPECT_EQ(message_with("/model/vocab/a", "4294967296"), "model.vocab[\"a\"]: found 4294967296" + range);
  EXPECT_EQ(message_with("/model/vocab/a", "18446744073709551615"),
            "model.vocab[\"a\"]: found 18446744073709551615" + range);
  EXPECT_EQ(message_with("/model/vocab/a", "1.5"), "model.vocab[\"a\"]: found 1.5" + range);
  EXPECT_EQ(message_with("/model/vocab/b", "0"),
            "model.vocab[\"b\"]: found 0; expected an id that no other token has");
  EXPECT_EQ(message_with("/added_tokens/0/id", "9"),
            "added_tokens[0].id: found 9; expected 3, the id this token gets in Hugging Face tokenizers");
}

TEST(LoadErrors, MergesThatDoNotFitAreNamed) {
  EXPECT_EQ(message_with("/model/merges/0", "\"a\""),
            "model.merges[0]: found \"a\"; expected two tokens with one space between");
  EXPECT_EQ(message_with("/model/merges/0", "\"b a\""),
            "model.merges[0]: found \"b a\"; expected both parts and their union in model.vocab");
  EXPECT_EQ(message_with("/model/merges/0", R"(["a", "b", "c"])"),
            "model.merges[0]: found a list of 3; expected a pair of tokens");
}

TEST(LoadErrors, DeepNestingIsRefused) {
  std::string nested = "null";
  for (int i = 0; i < 1000; ++i) {
    nested = R"({"type": "Sequence", "normalizers": [)" +
             (i == 0 ? std::string(R"({"type": "NFC"})") : nested) + "]}";
  }
  EXPECT_NE(message_with("/normalizer", nested).find("nested too deeply"), std::string::npos);
}

TEST(LoadErrors, TemplatesThatDoNotFitAreNamed) {
  EXPECT_EQ(
      message_with("/post_processor", R"({"type": "TemplateProcessing", "special_tokens": {}, "pair": [],
                         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}]})"),
      "post_processor.special_tokens: field \"<s>\" is missing");
  EXPECT_EQ(
      message_with("/post_processor", R"({"type": "TemplateProcessing", "special_tokens": {}, "pair": [],
                         "single": []})"),
      "post_processor.single: no Sequence A; expected the text to have a place");
}

// Every truncation of a real file either loads or is a clear error.
TEST(LoadErrors, TruncatedFilesAreErrors) {
  const std::string text = read_text(golden_path("llama3/tokenizer.json"));
  const std::filesystem::path file = scratch_folder() / "tokenizer.json";
  for (std::size_t length = 0; length + 2 < text.size(); length += text.size() / 40) {
    std::ofstream(file, std::ios::trunc | std::ios::binary) << text.substr(0, length);
    EXPECT_NE(message_of(file).find("not valid JSON"), std::string::npos) << length;
  }
}

}  // namespace
}  // namespace lorry::text
