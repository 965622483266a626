// The file of the Python library (scripts/golden/safetensors_files.py), read, written again, and damaged.
#include "io/io_support.hpp"
#include "io/safetensors.hpp"
#include "io/safetensors_writer.hpp"

namespace lorry::io {
namespace {

std::filesystem::path golden() {
  return std::filesystem::path(LORRY_SOURCE_DIR) / "tests/golden/safetensors/every_type.safetensors";
}

template <class T>
void expect_counting(const SafetensorsFile& file, std::string_view name) {
  const TensorView& tensor = file.at(name);
  ASSERT_EQ(tensor.bytes.size(), 6 * sizeof(T)) << name;
  EXPECT_EQ(tensor.shape, (std::vector<Index>{2, 3})) << name;
  ASSERT_TRUE(tensor.aligned()) << name;
  const T* values = reinterpret_cast<const T*>(tensor.bytes.data());
  for (int i = 0; i < 6; ++i) {
    if constexpr (std::is_arithmetic_v<T>) {
      EXPECT_EQ(values[i], static_cast<T>(i - 2)) << name;
    } else {
      EXPECT_EQ(to_float(values[i]), static_cast<float>(i - 2)) << name;
    }
  }
}

TEST(Golden, EveryTypeReadsAsPythonWroteIt) {
  const SafetensorsFile file(golden());
  EXPECT_EQ(file.tensors().size(), 13U);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  expect_counting<double>(file, "f64.weight");
  expect_counting<float>(file, "f32.weight");
  expect_counting<F16>(file, "f16.weight");
  expect_counting<BF16>(file, "bf16.weight");
  expect_counting<std::int64_t>(file, "i64.weight");
  expect_counting<std::int32_t>(file, "i32.weight");
  expect_counting<std::int16_t>(file, "i16.weight");
  expect_counting<std::int8_t>(file, "i8.weight");
  EXPECT_EQ(file.at("f16.weight").dtype, DType::kF16);
  EXPECT_EQ(file.at("bf16.weight").dtype, DType::kBF16);
  EXPECT_EQ(file.at("u8.weight").bytes[1], std::byte{255});
  EXPECT_EQ(file.at("u8.weight").bytes[4], std::byte{2});
  EXPECT_EQ(file.at("bool.weight").bytes[1], std::byte{1});
  EXPECT_TRUE(file.at("scalar").shape.empty());
  EXPECT_EQ(file.at("scalar").elements(), 1);
  EXPECT_EQ(file.at("empty").shape, (std::vector<Index>{0, 3}));
  EXPECT_EQ(file.at("odd \"name\"\n\u00e9\u6f22").elements(), 2);
}

// Equal bytes are the proof that what Lorry writes loads in Python.
TEST(Golden, WritesTheSameBytesAsPython) {
  const ScratchFolder folder;
  const SafetensorsFile file(golden());
  std::vector<TensorSpec> specs;
  for (const TensorView& tensor : file.tensors()) specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  std::reverse(specs.begin(), specs.end());
  SafetensorsWriter writer(folder / "ours.safetensors", specs, file.metadata());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    EXPECT_EQ(writer.tensors()[i].name, file.tensors()[i].name);
    const TensorView& tensor = file.at(specs[i].name);  // in the reverse order, in two chunks
    writer.write(tensor.name, tensor.bytes.first(tensor.bytes.size() / 2));
    writer.write(tensor.name, tensor.bytes.subspan(tensor.bytes.size() / 2));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "ours.safetensors"));
  writer.finish();
  EXPECT_EQ(get(folder / "ours.safetensors"), get(golden()));
  EXPECT_EQ(folder.names(), std::vector<std::string>{"ours.safetensors"});
}

/// True if the file opens, false on Error; whatever opens must stay inside the mapping.
bool opens(const std::filesystem::path& path) {
  try {
    const SafetensorsFile file(path);
    const auto all = file.mapping()->bytes();
    for (const TensorView& tensor : file.tensors()) {
      EXPECT_GE(tensor.bytes.data(), all.data());
      EXPECT_LE(tensor.bytes.data() + tensor.bytes.size(), all.data() + all.size());
    }
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    return false;
  }
}

// The file is changed in place, not written anew: some file systems flush a file that replaces itself.
TEST(Golden, EveryTruncationIsAnError) {
  const ScratchFolder folder;
  const std::string bytes = get(golden());
  ASSERT_GT(bytes.size(), 1000U);
  put(folder / "x", bytes);
  EXPECT_TRUE(opens(folder / "x"));
  for (std::size_t length = bytes.size(); length-- > 0;) {
    std::filesystem::resize_file(folder / "x", length);
    EXPECT_FALSE(opens(folder / "x")) << length;
  }
}

TEST(Golden, NoDamagedByteCrashes) {
  const ScratchFolder folder;
  const std::string bytes = get(golden());
  const std::size_t header_end = bytes.find('}', bytes.rfind("data_offsets"));
  put(folder / "x", bytes);
  std::fstream file(folder / "x", std::ios::binary | std::ios::in | std::ios::out);
  const auto set = [&](std::size_t at, char value) {
    file.seekp(static_cast<std::streamoff>(at)).put(value).flush();
  };
  int opened = 0;
  for (std::size_t at = 0; at <= header_end; ++at) {
    for (const char damage : {'\0', '\xff', '"', '{', '}', '9', '-'}) {
      set(at, damage);
      opened += opens(folder / "x") ? 1 : 0;
    }
    set(at, bytes[at]);
  }
  EXPECT_GT(opened, 0);  // such as another letter in a name
  EXPECT_TRUE(opens(folder / "x"));
}

}  // namespace
}  // namespace lorry::io
