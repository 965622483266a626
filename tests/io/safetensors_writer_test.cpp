#include "io/safetensors_writer.hpp"

#include "io/io_support.hpp"
#include "io/safetensors.hpp"

namespace lorry::io {
namespace {

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

TEST(SafetensorsWriter, LeavesNothingWithoutFinish) {
  const ScratchFolder folder;
  put(folder / "x", "old");
  {
    SafetensorsWriter writer(folder / "x", {{"a", DType::kF32, {2}}});
    writer.write("a", bytes_of({1, 2}));
    EXPECT_EQ(folder.names().size(), 2U);
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"x"});
  EXPECT_EQ(get(folder / "x"), "old");
}

TEST(SafetensorsWriter, PadsTheHeaderSoThatTensorsAreAligned) {
  const ScratchFolder folder;
  for (int length = 1; length <= 8; ++length) {
    const std::string name(static_cast<std::size_t>(length), 'n');
    SafetensorsWriter writer(folder / "x", {{"u", DType::kU8, {3}}, {name, DType::kF64, {1}}}, {});
    const double value = 2.5;
    writer.write(name, std::as_bytes(std::span(&value, 1)));
    writer.write("u", std::as_bytes(std::span("abc", 3)));
    writer.finish();
    const SafetensorsFile file(folder / "x");
    EXPECT_TRUE(file.at(name).aligned());
    EXPECT_EQ(*reinterpret_cast<const double*>(file.at(name).bytes.data()), 2.5);
    EXPECT_EQ(file.tensors()[1].name, "u");
    EXPECT_TRUE(file.metadata().empty());
  }
}

TEST(SafetensorsWriter, WritesNoTensorsAtAll) {
  const ScratchFolder folder;
  SafetensorsWriter(folder / "x", {}).finish();
  EXPECT_TRUE(SafetensorsFile(folder / "x").tensors().empty());
}

TEST(SafetensorsWriter, RefusesWhatTheFormatCannotHold) {
  const ScratchFolder folder;
  const std::string path = (folder / "x").string();
  EXPECT_EQ(error_of([&] {
              SafetensorsWriter writer(folder / "x", {{"\xff", DType::kF32, {1}}});
            }),
            "[write] " + path + ": found a name that is not UTF-8; expected UTF-8");
  const Index large = Index{1} << 61;
  EXPECT_EQ(error_of([&] {
              SafetensorsWriter writer(folder / "x", {{"a", DType::kF32, {large}}});
            }),
            "[write] " + path + ": tensor a: too large for a file");
  EXPECT_EQ(error_of([&] {
              SafetensorsWriter writer(folder / "x",
                                       {{"a", DType::kU8, {large, 3}}, {"b", DType::kU8, {large, 3}}});
            }),
            "[write] " + path + ": tensor b: too large for a file");
  EXPECT_TRUE(folder.names().empty());
}

TEST(SafetensorsWriterDeathTest, ChecksItsCaller) {
  const ScratchFolder folder;
  EXPECT_DEATH(SafetensorsWriter(folder / "x", {{"a", DType::kF32, {1}}}).finish(), "part.written");
  EXPECT_DEATH(SafetensorsWriter(folder / "x", {{"a", DType::kF32, {1}}}).write("a", bytes_of({1, 2})),
               "check failed");
  EXPECT_DEATH(SafetensorsWriter(folder / "x", {{"a", DType::kF32, {1}}}).write("b", {}), "check failed");
  EXPECT_DEATH(SafetensorsWriter(folder / "x", {{"a", DType::kF32, {1}}, {"a", DType::kF32, {1}}}),
               "check failed");
}

}  // namespace
}  // namespace lorry::io
