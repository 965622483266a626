// The floors of streamed passes, on numbers worked out by hand.
#include "model/stream_floor.hpp"

#include <gtest/gtest.h>

#include "io/disk_rate.hpp"
#include "io/io_support.hpp"

namespace lorry::model {
namespace {

TEST(StreamFloor, IsTheLargerOfDiskAndProducts) {
  StreamedWork work{.read = {.bytes = 6'000, .waited = 1, .passes = 2},
                    .seconds = 12,
                    .flops = 500,
                    .peaks = {.flops = 100, .disk_bytes = 2'000}};
  EXPECT_DOUBLE_EQ(work.disk_floor(), 3.0);
  EXPECT_DOUBLE_EQ(work.product_floor(), 5.0);
  EXPECT_DOUBLE_EQ(work.times_floor(), 2.4);
  work.flops = 0;  // not counted
  EXPECT_DOUBLE_EQ(work.times_floor(), 4.0);
  work.peaks.disk_bytes = 0;  // not known
  EXPECT_DOUBLE_EQ(work.times_floor(), 0.0);
}

TEST(StreamFloor, CountsTheProductsOfAPass) {
  ModelConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 20;
  config.num_hidden_layers = 3;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 2;
  config.vocab_size = 50;
  config.names.gate = "gate_proj";
  // q and o 8 x 8, k and v 4 x 8, gate, up and down 20 x 8.
  EXPECT_EQ(product_elements(config), 2 * 64 + 2 * 32 + 3 * 160);
  EXPECT_DOUBLE_EQ(forward_flops(config, 10, 4), 2.0 * (672 * 3 * 10 + 8 * 50 * 4));
}

TEST(StreamFloor, ADiskIsMeasuredByWholePiecesOfAFile) {
  const io::ScratchFolder folder;
  io::put(folder / "short", "too short to tell");
  EXPECT_EQ(io::measure_disk_rate(folder / "short", 0.1), 0);
  io::put(folder / "long", std::string(std::size_t{9} << 20, 'x'));
  EXPECT_GT(io::measure_disk_rate(folder / "long", 0.1), 0);
  EXPECT_THROW(static_cast<void>(io::measure_disk_rate(folder / "none", 0.1)), Error);
}

}  // namespace
}  // namespace lorry::model
