#include "io/gguf_writer.hpp"

#include "io/gguf_bytes.hpp"
#include "io/io_support.hpp"

namespace lorry::io {
namespace {

const GgmlType* type_named(std::string_view name) {
  return find_ggml_type(name);
}

std::span<const std::byte> raw(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

void write_copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  const GgufFile file(from);
  GgufPairs pairs;
  for (const GgufPair& pair : file.pairs()) pairs.copy(pair);
  std::vector<GgufTensorSpec> specs;
  for (const GgufTensor& tensor : file.tensors()) specs.push_back({tensor.name, tensor.type, tensor.shape});
  GgufWriter writer(to, pairs, std::move(specs));
  for (const GgufTensor& tensor : file.tensors()) writer.write(tensor.name, tensor.bytes);
  writer.finish();
}

/// tests/golden/gguf is what the gguf package's GGUFWriter wrote: every kind of value a model has, lists of
/// texts and numbers among them, and every type of tensor that Lorry reads.
TEST(GgufWriter, CopiesTheFilesOfTheGgufPackageByteForByte) {
  const ScratchFolder folder;
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden/gguf")) {
    if (entry.path().extension() != ".gguf") continue;
    write_copy(entry.path(), folder / "copy.gguf");
    EXPECT_TRUE(get(folder / "copy.gguf") == get(entry.path())) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 6);
}

TEST(GgufWriter, CopiesEveryKindOfValue) {
  GgufBytes from;
  from.head(1, 9);
  from.key("u8", GgufKind::kU8).number(std::uint8_t{200});
  from.key("u64", GgufKind::kU64).number(~std::uint64_t{0});
  from.key("f64", GgufKind::kF64).number(0.1);
  from.key("yes", GgufKind::kBool).number(std::uint8_t{2});  // true, though not written as others do
  from.key("text", GgufKind::kString).text(std::string_view("a\0b", 3));
  from.key("texts", GgufKind::kArray).list(GgufKind::kString, 2).text("x").text("");
  from.key("flags", GgufKind::kArray).list(GgufKind::kBool, 2).number(std::uint16_t{0x0100});
  from.key("none", GgufKind::kArray).list(GgufKind::kU16, 0);
  from.key("general.alignment", GgufKind::kU32).number(64U);
  from.tensor("t", {3}, 0, 0).align(64);
  for (int i = 0; i < 3; ++i) from.number(static_cast<float>(i));
  from.align(64);
  const ScratchFolder folder;
  put(folder / "from.gguf", from.bytes());
  write_copy(folder / "from.gguf", folder / "copy.gguf");
  EXPECT_TRUE(get(folder / "copy.gguf") == from.bytes());
}

TEST(GgufWriter, WritesWhatItsReaderGivesBack) {
  const ScratchFolder folder;
  GgufPairs pairs;
  pairs.put_string("general.architecture", "gpt2");
  pairs.put_u32("n", 5);
  pairs.put_u32("gone", 1);
  pairs.put_f32("alpha", 1.5F);
  pairs.put_u32("n", 7);
  pairs.remove("gone");
  pairs.remove("never there");
  GgufWriter writer(folder / "x.gguf", pairs,
                    {{"a", type_named("F32"), {2, 3}}, {"b", type_named("Q8_0"), {1, 32}}});
  const std::vector<float> values = {0, 1, 2, 3, 4, 5};
  const std::string block(34, 'q');
  writer.write("b", std::as_bytes(std::span(block)));
  writer.write("a", raw(values).subspan(0, 8));
  writer.write("a", raw(values).subspan(8));
  writer.finish();
  EXPECT_EQ(static_cast<Index>(std::filesystem::file_size(folder / "x.gguf")), writer.file_bytes());
  const GgufFile file(folder / "x.gguf");
  EXPECT_EQ(file.metadata().get_string("general.architecture"), "gpt2");
  EXPECT_EQ(file.metadata().get_index("n", 0, 9), 7);
  EXPECT_EQ(file.metadata().find_number("alpha"), 1.5);
  ASSERT_EQ(file.pairs().size(), 3U);
  EXPECT_EQ(file.pairs()[1].key, "n");
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensors()[0].shape, (std::vector<Index>{2, 3}));
  EXPECT_EQ(reinterpret_cast<const float*>(file.tensors()[0].bytes.data())[5], 5.0F);
  EXPECT_EQ(file.tensors()[1].type->name, "Q8_0");
  EXPECT_EQ(file.tensors()[1].bytes.back(), std::byte{'q'});
}

TEST(GgufWriter, LeavesNothingWithoutFinish) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  {
    GgufWriter writer(folder / "x", {}, {{"a", type_named("F32"), {2}}});
    writer.write("a", raw({1, 2}));
    EXPECT_EQ(folder.names().size(), 2U);
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"x"});
  EXPECT_EQ(get(folder / "x"), "old");
}

TEST(GgufWriter, RefusesWhatTheFormatCannotHold) {
  const ScratchFolder folder;
  const std::string start = "[write] " + (folder / "x").string() + ": ";
  const auto refusal = [&](const GgufPairs& pairs, const std::vector<GgufTensorSpec>& tensors) {
    return error_of([&] { GgufWriter writer(folder / "x", pairs, tensors); });
  };
  const std::string long_name(64, 'n');
  EXPECT_EQ(refusal({}, {{long_name, type_named("F32"), {1}}}),
            start + "tensor \"" + long_name + "\": found a name of 64 bytes; expected at most 63");
  const Index large = Index{1} << 61;
  EXPECT_EQ(refusal({}, {{"a", type_named("F32"), {large}}}),
            start + "tensor \"a\": found more bytes than a file can have; expected fewer");
  EXPECT_EQ(refusal({}, {{"a", type_named("I8"), {3, large}}, {"b", type_named("I8"), {3, large}}}),
            start + "tensor \"b\": found more bytes than a file can have; expected fewer");
  GgufPairs pairs;
  pairs.put_u32("general.alignment", 24);
  EXPECT_EQ(refusal(pairs, {}), "[load] " + (folder / "x").string() +
                                    ": key \"general.alignment\": found 24; expected a power of two");
  EXPECT_TRUE(folder.names().empty());
}

TEST(GgufWriterDeathTest, ChecksItsCaller) {
  const ScratchFolder folder;
  const auto one = [&] { return GgufWriter(folder / "x", {}, {{"a", type_named("F32"), {1}}}); };
  EXPECT_DEATH(one().finish(), "part.written");
  EXPECT_DEATH(one().write("a", raw({1, 2})), "check failed");
  EXPECT_DEATH(one().write("b", {}), "check failed");
  const auto open = [&](const std::vector<GgufTensorSpec>& tensors) {
    GgufWriter writer(folder / "x", {}, tensors);
  };
  EXPECT_DEATH(open({{"a", type_named("F32"), {1}}, {"a", type_named("F32"), {1}}}), "check failed");
  EXPECT_DEATH(open({{"a", type_named("Q4_K"), {2, 128}}}), "check failed");
  EXPECT_DEATH(open({{"a", type_named("F32"), {1, 0}}}), "check failed");
  EXPECT_DEATH(open({{"a", type_named("F32"), {1, 1, 1, 1, 1}}}), "check failed");
}

}  // namespace
}  // namespace lorry::io
