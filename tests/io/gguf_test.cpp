#include "io/gguf.hpp"

#include <ostream>

#include "io/gguf_bytes.hpp"
#include "io/io_support.hpp"

namespace lorry::io {
namespace {

constexpr std::uint32_t kF32Type = 0;
constexpr std::uint32_t kQ8_0Type = 8;

/// A file with a value of every kind and two tensors, [2,3] F32 and one row of Q8_0.
GgufBytes good_file(std::uint32_t version = 3) {
  GgufBytes file;
  file.head(2, 10, version);
  file.key("u8", GgufKind::kU8).number(std::uint8_t{200});
  file.key("i16", GgufKind::kI16).number(std::int16_t{-7});
  file.key("u64", GgufKind::kU64).number(~std::uint64_t{0});
  file.key("f32", GgufKind::kF32).number(1.5F);
  file.key("f64", GgufKind::kF64).number(0.25);
  file.key("yes", GgufKind::kBool).number(std::uint8_t{1});
  file.key("text", GgufKind::kString).text("a\nb");
  file.key("texts", GgufKind::kArray).list(GgufKind::kString, 2).text("x").text("");
  file.key("ints", GgufKind::kArray).list(GgufKind::kI32, 2).number(std::int32_t{-1}).number(std::int32_t{5});
  file.key("reals", GgufKind::kArray).list(GgufKind::kF32, 1).number(2.5F);
  file.tensor("a", {3, 2}, kF32Type, 0).tensor("b", {32}, kQ8_0Type, 32).align();
  for (int i = 0; i < 6; ++i) file.number(static_cast<float>(i));
  return file.zeros(8).zeros(34);
}

std::string refusal(const std::string& bytes) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "x.gguf";
  put(path, bytes);
  std::string text = error_of([&] { GgufModel model(path); });
  const std::string start = "[load] " + path.string() + ": ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

TEST(GgufFile, GivesValuesAndTensorsOfBothVersions) {
  for (const std::uint32_t version : {2U, 3U}) {
    const ScratchFolder folder;
    put(folder / "x.gguf", good_file(version).bytes());
    const GgufFile file(folder / "x.gguf");
    const GgufMetadata& values = file.metadata();
    EXPECT_EQ(values.get_index("u8", 0, 255), 200);
    EXPECT_EQ(values.get_index("i16", -10, 0), -7);
    EXPECT_EQ(values.find_index("u64", 0, std::numeric_limits<Index>::max()),
              std::numeric_limits<Index>::max());
    EXPECT_EQ(values.find_number("f32"), 1.5);
    EXPECT_EQ(values.find_number("f64"), 0.25);
    EXPECT_EQ(values.find_number("u8"), 200.0);
    EXPECT_EQ(values.find_bool("yes"), true);
    EXPECT_EQ(values.get_string("text"), "a\nb");
    EXPECT_EQ(*values.find_strings("texts"), (std::vector<std::string>{"x", ""}));
    EXPECT_EQ(*values.find_indices("ints"), (std::vector<Index>{-1, 5}));
    EXPECT_EQ(*values.find_numbers("reals"), std::vector<double>{2.5});
    EXPECT_EQ(values.find_string("none"), nullptr);
    ASSERT_EQ(file.tensors().size(), 2U);
    const GgufTensor& a = file.tensors()[0];
    EXPECT_EQ(a.name, "a");
    EXPECT_EQ(a.type->name, "F32");
    EXPECT_EQ(a.shape, (std::vector<Index>{2, 3}));
    EXPECT_EQ(a.elements(), 6);
    ASSERT_EQ(a.bytes.size(), 24U);
    EXPECT_EQ(reinterpret_cast<const float*>(a.bytes.data())[5], 5.0F);
    EXPECT_EQ(file.tensors()[1].type->name, "Q8_0");
    EXPECT_EQ(file.tensors()[1].bytes.size(), 34U);
  }
}

TEST(GgufFile, ValuesOfAnotherKindAreRefusedByName) {
  const ScratchFolder folder;
  put(folder / "x.gguf", good_file().bytes());
  const GgufFile file(folder / "x.gguf");
  const GgufMetadata& values = file.metadata();
  const std::string start = "[load] " + (folder / "x.gguf").string() + ": ";
  EXPECT_EQ(error_of([&] { static_cast<void>(values.get_index("text", 0, 9)); }),
            start + "key \"text\": found \"a\\nb\"; expected an integer from 0 to 9");
  EXPECT_EQ(error_of([&] { static_cast<void>(values.get_index("u8", 0, 9)); }),
            start + "key \"u8\": found 200; expected an integer from 0 to 9");
  EXPECT_EQ(error_of([&] { static_cast<void>(values.get_string("none")); }),
            start + "key \"none\": found nothing; expected a text");
  EXPECT_EQ(error_of([&] { static_cast<void>(values.find_strings("ints")); }),
            start + "key \"ints\": found a list of integers; expected a list of texts");
  EXPECT_EQ(error_of([&] { static_cast<void>(values.find_bool("u8")); }),
            start + "key \"u8\": found 200; expected true or false");
}

TEST(GgufFile, EveryTruncationIsRefusedInOneLine) {
  const std::string whole = good_file().bytes();
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "x.gguf";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(path, whole.substr(0, length));
    const std::string text = error_of([&] { GgufFile file(path); });
    EXPECT_TRUE(text.starts_with("[load] " + path.string() + ": ")) << length << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << length;
  }
  EXPECT_EQ(refusal(whole), "no error");
  EXPECT_EQ(refusal(whole.substr(0, whole.size() - 1)),
            "tensor \"b\": found 34 bytes at offset 32 of 65 bytes of data; expected a place inside; perhaps "
            "an incomplete download");
}

struct BadGguf {
  const char* label;
  std::string bytes;
  std::string message;  // behind "[load] FILE: "
};

void PrintTo(const BadGguf& test, std::ostream* out) {
  *out << test.label;
}

class BadGgufTest : public ::testing::TestWithParam<BadGguf> {};

TEST_P(BadGgufTest, IsRefusedWithItsReason) {
  EXPECT_EQ(refusal(GetParam().bytes), GetParam().message);
}

std::string bytes_of_tensors(const std::vector<std::vector<std::uint64_t>>& sizes, std::uint32_t type,
                             const std::vector<std::uint64_t>& offsets, std::size_t data = 4096) {
  GgufBytes file;
  file.head(sizes.size(), 0);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    file.tensor(std::string(1, static_cast<char>('a' + i)), sizes[i], type, offsets[i]);
  }
  return file.align().zeros(data).bytes();
}

GgufBytes one_key() {
  GgufBytes file;
  return file.head(0, 1);
}

constexpr std::uint64_t kHuge = std::uint64_t{1} << 62;

INSTANTIATE_TEST_SUITE_P(
    Files, BadGgufTest,
    ::testing::Values(
        BadGguf{"Magic", "GGML" + std::string(60, '\0'),
                "head: found no GGUF file; expected one that begins with \"GGUF\""},
        BadGguf{"Version1", GgufBytes().head(0, 0, 1).bytes(), "head: found version 1; expected 2 or 3"},
        BadGguf{"Version4", GgufBytes().head(0, 0, 4).bytes(), "head: found version 4; expected 2 or 3"},
        BadGguf{"BigEndian", GgufBytes().head(0, 0, 0x03000000).bytes(),
                "head: found a big-endian file; expected a little-endian one (llama.cpp: gguf-py, "
                "gguf_convert_endian.py)"},
        BadGguf{"Lfs", "version https://git-lfs.github.com/spec/v1\n",
                "found a Git LFS pointer; expected the file itself (fetch it: git lfs pull)"},
        BadGguf{"HugeTensorCount", GgufBytes().head(kHuge, 0).bytes(),
                "number of tensors: found 4611686018427387904 in a file of 24 bytes; expected as many as it "
                "can hold"},
        BadGguf{"HugeKeyCount", GgufBytes().head(0, kHuge).bytes(),
                "number of keys: found 4611686018427387904 in a file of 24 bytes; expected as many as it can "
                "hold"},
        BadGguf{"HugeText", one_key().key("k", GgufKind::kString).number(kHuge).bytes(),
                "key \"k\": found a text of 4611686018427387904 bytes in 0 that are left; expected one that "
                "the file holds; perhaps an incomplete download"},
        BadGguf{"HugeList", one_key().key("k", GgufKind::kArray).list(GgufKind::kU64, kHuge).bytes(),
                "key \"k\": found a list of 4611686018427387904 in 0 bytes that are left; expected one that "
                "the file holds; perhaps an incomplete download"},
        BadGguf{"ListOfLists",
                one_key().key("k", GgufKind::kArray).list(GgufKind::kArray, 1).zeros(32).bytes(),
                "key \"k\": found a list of lists; expected one of numbers or texts"},
        BadGguf{"ValueType", one_key().key("k", static_cast<GgufKind>(13)).zeros(8).bytes(),
                "key \"k\": found type 13; expected 0 to 12"},
        BadGguf{"KeyTwice",
                GgufBytes()
                    .head(0, 2)
                    .key("k", GgufKind::kU32)
                    .number(1U)
                    .key("k", GgufKind::kU32)
                    .number(1U)
                    .bytes(),
                "key \"k\": found twice; expected every key once"},
        BadGguf{"Alignment", one_key().key("general.alignment", GgufKind::kU32).number(24U).bytes(),
                "key \"general.alignment\": found 24; expected a power of two"},
        BadGguf{"NoAlignment", one_key().key("general.alignment", GgufKind::kU32).number(0U).bytes(),
                "key \"general.alignment\": found 0; expected an integer from 1 to 1073741824"},
        BadGguf{"TensorType", bytes_of_tensors({{4}}, 4, {0}),
                "tensor \"a\": found type 4; expected one that ggml has"},
        BadGguf{"NoDimensions", bytes_of_tensors({{}}, kF32Type, {0}),
                "tensor \"a\": found 0 dimensions; expected 1 to 4"},
        BadGguf{"FiveDimensions", bytes_of_tensors({{1, 1, 1, 1, 1}}, kF32Type, {0}),
                "tensor \"a\": found 5 dimensions; expected 1 to 4"},
        BadGguf{"EmptyTensor", bytes_of_tensors({{4, 0}}, kF32Type, {0}),
                "tensor \"a\": found sizes [4, 0]; expected each at least 1, with a product that fits in 63 "
                "bits"},
        BadGguf{
            "Overflow", bytes_of_tensors({{1ULL << 32, 1ULL << 32}}, kF32Type, {0}),
            "tensor \"a\": found sizes [4294967296, 4294967296]; expected each at least 1, with a product "
            "that fits in 63 bits"},
        BadGguf{"PartOfABlock", bytes_of_tensors({{48}}, kQ8_0Type, {0}),
                "tensor \"a\": found rows of 48; expected whole blocks of 32 (Q8_0)"},
        BadGguf{"OffsetOutOfLine", bytes_of_tensors({{4}}, kF32Type, {8}),
                "tensor \"a\": found offset 8; expected a multiple of 32"},
        BadGguf{
            "FarOffset", bytes_of_tensors({{4}}, kF32Type, {~std::uint64_t{31}}),
            "tensor \"a\": found 16 bytes at offset 18446744073709551584 of 4096 bytes of data; expected a "
            "place inside; perhaps an incomplete download"},
        BadGguf{"Overlap", bytes_of_tensors({{64}, {64}}, kF32Type, {0, 224}),
                "tensors \"a\" and \"b\": found to overlap; expected places of their own"},
        BadGguf{
            "NameTwice",
            GgufBytes().head(2, 0).tensor("a", {4}, 0, 0).tensor("a", {4}, 0, 32).align().zeros(64).bytes(),
            "tensor \"a\": found twice; expected every name once"}),
    [](const auto& test) { return std::string(test.param.label); });

/// Part `no` of `count` with one tensor.
std::string part(const char* name, std::uint16_t no, std::uint16_t count, std::int32_t tensors) {
  GgufBytes file;
  file.head(1, 3);
  file.key("split.no", GgufKind::kU16).number(no);
  file.key("split.count", GgufKind::kU16).number(count);
  file.key("split.tensors.count", GgufKind::kI32).number(tensors);
  return file.tensor(name, {4}, kF32Type, 0).align().zeros(16).bytes();
}

class GgufParts : public ::testing::Test {
 protected:
  void put_part(int number, const std::string& bytes) { put(path(number), bytes); }
  [[nodiscard]] std::filesystem::path path(int number) const {
    return folder_ / ("m-0000" + std::to_string(number) + "-of-00002.gguf");
  }
  [[nodiscard]] std::string open(int number = 1) const {
    return error_of([&] { GgufModel model(path(number)); });
  }

  ScratchFolder folder_;
};

TEST_F(GgufParts, AreOneModel) {
  put_part(1, part("a", 0, 2, 2));
  put_part(2, part("b", 1, 2, 2));
  const GgufModel model(path(1));
  ASSERT_NE(model.find("a"), nullptr);
  ASSERT_NE(model.find("b"), nullptr);
  EXPECT_EQ(model.find("c"), nullptr);
  EXPECT_EQ(model.file_of("b"), path(2));
}

TEST_F(GgufParts, ThatDoNotBelongTogetherAreRefused) {
  put_part(1, part("a", 0, 2, 2));
  EXPECT_EQ(open(),
            "[load] " + path(2).string() + ": missing; \"m-00001-of-00002.gguf\" is the first of 2 parts");
  put_part(2, part("b", 1, 3, 2));
  EXPECT_EQ(open(),
            "[load] " + path(2).string() +
                ": key \"split.count\": found another number of parts; expected 2, as the first says");
  put_part(2, part("b", 0, 2, 2));
  EXPECT_EQ(open(), "[load] " + path(2).string() + ": key \"split.no\": found another part; expected 1");
  put_part(2, part("a", 1, 2, 2));
  EXPECT_EQ(open(), "[load] " + path(2).string() +
                        ": tensor \"a\": found in another part too; expected every tensor once");
  put_part(2, part("b", 1, 2, 2));
  EXPECT_EQ(open(2),
            "[load] " + path(2).string() + ": found part 2 of 2; expected the first, " + path(1).string());
  put_part(1, part("a", 0, 2, 3));
  EXPECT_EQ(open(), "[load] " + path(1).string() +
                        ": key \"split.tensors.count\": found 3; expected 2, as its parts have");
  put(folder_ / "other.gguf", part("a", 0, 2, 2));
  EXPECT_EQ(error_of([&] { GgufModel model(folder_ / "other.gguf"); }),
            "[load] " + (folder_ / "other.gguf").string() +
                ": found part 1 of 2; expected a name that ends with -00001-of-00002.gguf");
}

}  // namespace
}  // namespace lorry::io
