#include "io/safetensors.hpp"

#include <ostream>

#include "core/clock.hpp"
#include "io/io_support.hpp"

namespace lorry::io {
namespace {

struct HostileHeader {
  const char* label;
  std::string header;
  std::size_t data;     // bytes behind it
  std::string message;  // behind "[load] FILE: "
};

/// How GoogleTest prints a case; its default shows raw bytes, which change from run to run.
void PrintTo(const HostileHeader& header, std::ostream* out) {
  *out << header.label;
}

std::string label_of(const ::testing::TestParamInfo<HostileHeader>& test) {
  return test.param.label;
}

class Hostile : public ::testing::TestWithParam<HostileHeader> {};

TEST_P(Hostile, IsRefusedWithItsReason) {
  const ScratchFolder folder;
  put(folder / "x.safetensors", safetensors_bytes(GetParam().header, GetParam().data));
  EXPECT_EQ(error_of([&] { SafetensorsFile file(folder / "x.safetensors"); }),
            "[load] " + (folder / "x.safetensors").string() + ": " + GetParam().message);
}

std::string tensor(const std::string& name, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

const std::string kShapeRule = "a list of at most 32 integers from 0 up";
const std::string kOffsetsRule = "a list of two integers from 0 up";

INSTANTIATE_TEST_SUITE_P(
    Layout, Hostile,
    ::testing::Values(
        HostileHeader{
            "Overlap", "{" + tensor("a", "[2]", "[0,8]") + "," + tensor("b", "[2]", "[4,12]") + "}", 12,
            "tensor \"b\": data_offsets: found the beginning 4; expected 8, where the tensor before it "
            "ends (they overlap)"},
        HostileHeader{
            "SamePlace", "{" + tensor("a", "[2]", "[0,8]") + "," + tensor("b", "[2]", "[0,8]") + "}", 8,
            "tensor \"b\": data_offsets: found the beginning 0; expected 8, where the tensor before it "
            "ends (they overlap)"},
        HostileHeader{
            "Hole", "{" + tensor("a", "[2]", "[0,8]") + "," + tensor("b", "[1]", "[12,16]") + "}", 16,
            "tensor \"b\": data_offsets: found the beginning 12; expected 8, where the tensor before it "
            "ends (a hole)"},
        HostileHeader{
            "HoleAtTheStart", "{" + tensor("a", "[1]", "[4,8]") + "}", 8,
            "tensor \"a\": data_offsets: found the beginning 4; expected 0, where the tensor before it "
            "ends (a hole)"},
        HostileHeader{"Trailing", "{" + tensor("a", "[1]", "[0,4]") + "}", 5,
                      "found 1 bytes behind the last tensor; expected none"},
        HostileHeader{"PastTheEnd", "{" + tensor("a", "[2]", "[0,8]") + "}", 7,
                      "tensor \"a\": data_offsets: found the end 8 in 7 bytes of data; perhaps an incomplete "
                      "download"},
        HostileHeader{
            "FarPastTheEnd", "{" + tensor("a", "[2305843009213693951]", "[0,9223372036854775804]") + "}", 4,
            "tensor \"a\": data_offsets: found the end 9223372036854775804 in 4 bytes of data; perhaps an "
            "incomplete download"},
        HostileHeader{"WrongLength", "{" + tensor("a", "[3]", "[0,8]") + "}", 8,
                      "tensor \"a\": data_offsets: found 8 bytes; expected 12 for F32 [3]"},
        HostileHeader{"Backwards", "{" + tensor("a", "[1]", "[4,0]") + "}", 4,
                      "tensor \"a\": data_offsets: found [4, 0]; expected the beginning before the end"},
        HostileHeader{
            "ShapeOverflow", "{" + tensor("a", "[4294967296,4294967296]", "[0,0]") + "}", 0,
            "tensor \"a\": shape: found [4294967296, 4294967296]; expected a product that fits in 63 "
            "bits"}),
    label_of);

INSTANTIATE_TEST_SUITE_P(
    Fields, Hostile,
    ::testing::Values(
        HostileHeader{"NegativeShape", "{" + tensor("a", "[-1]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found -1; expected " + kShapeRule},
        HostileHeader{"HugeShape", "{" + tensor("a", "[18446744073709551615]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found 18446744073709551615; expected " + kShapeRule},
        HostileHeader{"BeyondHugeShape", "{" + tensor("a", "[99999999999999999999]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found 99999999999999999999; expected " + kShapeRule},
        HostileHeader{"FractionalShape", "{" + tensor("a", "[1.5]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found 1.5; expected " + kShapeRule},
        HostileHeader{"ShapeIsNoList", "{" + tensor("a", "1", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found 1; expected " + kShapeRule},
        HostileHeader{"ShapeInShape", "{" + tensor("a", "[[1]]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found a list; expected " + kShapeRule},
        HostileHeader{"ObjectInShape", "{" + tensor("a", "[{}]", "[0,4]") + "}", 4,
                      "tensor \"a\": shape: found an object; expected " + kShapeRule},
        HostileHeader{
            "ManyDimensions",
            "{" +
                tensor("a", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]") +
                "}",
            4, "tensor \"a\": shape: found more than 32 numbers; expected " + kShapeRule},
        HostileHeader{"NegativeOffset", "{" + tensor("a", "[1]", "[-4,0]") + "}", 4,
                      "tensor \"a\": data_offsets: found -4; expected " + kOffsetsRule},
        HostileHeader{"OneOffset", "{" + tensor("a", "[1]", "[0]") + "}", 4,
                      "tensor \"a\": data_offsets: found 1 numbers; expected " + kOffsetsRule},
        HostileHeader{"ThreeOffsets", "{" + tensor("a", "[1]", "[0,4,4]") + "}", 4,
                      "tensor \"a\": data_offsets: found more than 2 numbers; expected " + kOffsetsRule},
        HostileHeader{
            "UnknownType", R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1,
            "tensor \"a\": dtype: found \"F8_E4M3\"; expected one of F64, F32, F16, BF16, I64, I32, I16, "
            "I8, U8, BOOL"},
        HostileHeader{"TypeIsNoString", R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,1]}})", 1,
                      "tensor \"a\": dtype: found 3; expected a string"},
        HostileHeader{"MissingField", R"({"a":{"dtype":"F32","shape":[1]}})", 4,
                      "tensor \"a\": found fewer fields; expected dtype, shape and data_offsets"},
        HostileHeader{"UnknownField", R"({"a":{"dtype":"F32","scale":1,"data_offsets":[0,4]}})", 4,
                      "tensor \"a\": found field \"scale\"; expected dtype, shape and data_offsets"},
        HostileHeader{"FieldTwice", R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})",
                      4, "tensor \"a\": found field \"shape\" twice; expected every field once"}),
    label_of);

INSTANTIATE_TEST_SUITE_P(
    Json, Hostile,
    ::testing::Values(
        HostileHeader{"NameTwice",
                      "{" + tensor("a", "[1]", "[0,4]") + "," + tensor("a", "[1]", "[4,8]") + "}", 8,
                      "header: found \"a\" twice; expected every name once"},
        HostileHeader{"TensorIsNoObject", R"({"a":[1]})", 0,
                      "tensor \"a\": found a list; expected an object of dtype, shape and data_offsets"},
        HostileHeader{"TensorIsNull", R"({"a":null})", 0,
                      "tensor \"a\": found null; expected an object of dtype, shape and data_offsets"},
        HostileHeader{
            "HostileName", R"({"a\nb\u0007":true})", 0,
            "tensor \"a\\nb\\u0007\": found true; expected an object of dtype, shape and data_offsets"},
        HostileHeader{"MetadataNumber", R"({"__metadata__":{"format":1}})", 0,
                      "__metadata__: found 1; expected an object of strings"},
        HostileHeader{"MetadataNested", R"({"__metadata__":{"format":{}}})", 0,
                      "__metadata__: found an object; expected an object of strings"},
        HostileHeader{"MetadataTwice", R"({"__metadata__":{"format":"pt","format":"np"}})", 0,
                      "__metadata__: found \"format\" twice; expected every name once"},
        HostileHeader{"NoObject", "[]", 0, "header: expected it to begin with {"},
        HostileHeader{"Empty", "", 0, "header: expected it to begin with {"},
        HostileHeader{
            "Unclosed", R"({"a":{"dtype":"F32")", 0,
            "header: not valid JSON: line 1, column 20: syntax error while parsing object - unexpected "
            "end of input; expected '}'"},
        HostileHeader{
            "TwoObjects", "{}{}", 0,
            "header: not valid JSON: line 1, column 3: syntax error while parsing value - unexpected '{'; "
            "expected end of input"}),
    label_of);

TEST(Safetensors, RefusesFalseHeaderLengths) {
  const ScratchFolder folder;
  const auto path = folder / "x";
  const auto message = [&](std::string_view bytes) {
    put(path, bytes);
    const std::string text = error_of([&] { SafetensorsFile file(path); });
    return text.substr(("[load] " + path.string() + ": ").size());
  };
  EXPECT_EQ(message(""), "found 0 bytes; expected a safetensors file, which has at least 8");
  EXPECT_EQ(message("1234567"), "found 7 bytes; expected a safetensors file, which has at least 8");
  EXPECT_EQ(message(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
            "header length: found 3 in a file of 10 bytes; perhaps an incomplete download");
  EXPECT_EQ(message(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)),
            "header length: found 100000001; expected at most 100000000 (is this a safetensors file?)");
  EXPECT_EQ(
      message("\xff\xff\xff\xff\xff\xff\xff\xff{}"),
      "header length: found 18446744073709551615; expected at most 100000000 (is this a safetensors file?)");
  EXPECT_EQ(message("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
            "found a Git LFS pointer; expected the file itself (fetch it: git lfs pull)");
}

TEST(Safetensors, ListsTensorsInTheOrderOfTheirBytes) {
  const ScratchFolder folder;
  put(folder / "x",
      safetensors_bytes("{" + tensor("b", "[2]", "[4,12]") + "," + tensor("e", "[0,7]", "[4,4]") + "," +
                            tensor("a", "[]", "[0,4]") + "}  ",
                        12));
  const SafetensorsFile file(folder / "x");
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[0].elements(), 1);
  EXPECT_EQ(file.tensors()[1].name, "e");
  EXPECT_EQ(file.tensors()[1].elements(), 0);
  EXPECT_EQ(file.tensors()[2].name, "b");
  EXPECT_EQ(file.at("b").bytes.data(), file.at("a").bytes.data() + 4);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(error_of([&] { return file.at("c").name; }),
            "[load] " + (folder / "x").string() + ": tensor \"c\": missing");
}

TEST(Safetensors, ShowsMisalignedTensors) {
  const ScratchFolder folder;
  const std::string one = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  for (std::size_t spaces = 0; spaces < 4; ++spaces) {
    const std::string header = one + std::string(spaces, ' ');
    put(folder / "x", safetensors_bytes(header, 4));
    EXPECT_EQ(SafetensorsFile(folder / "x").at("a").aligned(), header.size() % 4 == 0) << header.size();
  }
}

TEST(Safetensors, OpensWithoutReadingTheData) {
  const ScratchFolder folder;
  constexpr std::uintmax_t kData = std::uintmax_t{64} << 30;
  const std::string start = safetensors_bytes("{" + tensor("a", "[17179869184]", "[0,68719476736]") + "}", 0);
  put(folder / "x", start);
  std::error_code error;
  std::filesystem::resize_file(folder / "x", start.size() + kData, error);
  if (error) GTEST_SKIP() << "the file system holds no sparse file of 64 GiB: " << error.message();
  const Index before = peak_rss_bytes();
  const SafetensorsFile file(folder / "x");
  EXPECT_EQ(file.at("a").bytes.size(), kData);
  EXPECT_EQ(file.at("a").bytes.data(), file.mapping()->bytes().data() + start.size());
  EXPECT_LT(peak_rss_bytes() - before, Index{8} << 20);
}

}  // namespace
}  // namespace lorry::io
