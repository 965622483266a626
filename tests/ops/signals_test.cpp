// Products while signals come: a kernel that keeps data where a handler's frame goes (below the stack
// pointer) computes something else, or damages the heap, as oneDNN 2.6.3 does in float32 with AVX-512.
#include <gtest/gtest.h>
#include <sys/time.h>

#include <csignal>

#include "ops/cpu/amx.hpp"
#include "ops/cpu/matmul.hpp"
#include "support/near.hpp"
#include "support/random_matrix.hpp"

namespace lorry::ops::cpu {
namespace {

using testing::random_matrix;
using testing::same_bits;

// What a handler can reach.
volatile std::sig_atomic_t seen = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

extern "C" void note_signal(int /*number*/) {
  constexpr int kBytes = 256;
  volatile char frame[kBytes];  // NOLINT(modernize-avoid-c-arrays): std::array has no volatile elements
  for (volatile char& byte : frame) byte = '\xcc';
  seen = seen + 1;
}

/// A signal every 200 microseconds while it lives.
class Disturbance {
 public:
  Disturbance() {
    struct sigaction action = {};
    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGALRM, &action, &before_);
    set_microseconds(200);
  }
  Disturbance(const Disturbance&) = delete;
  Disturbance& operator=(const Disturbance&) = delete;
  ~Disturbance() {
    set_microseconds(0);
    ::sigaction(SIGALRM, &before_, nullptr);
  }

 private:
  static void set_microseconds(suseconds_t pause) {
    const itimerval timer = {{0, pause}, {0, pause}};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  struct sigaction before_ = {};
};

TEST(Signals, ChangeNoProductThatTheyInterrupt) {
  constexpr int kTimes = 60;
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    if (dtype == DType::kBF16 && amx::available()) continue;  // oneDNN's, which nobody has tried
    for (const bool transpose_b : {false, true}) {
      for (const Index inner : {Index{256}, Index{768}}) {
        const Matrix a = random_matrix(256, inner, dtype, 1);
        const Matrix b =
            transpose_b ? random_matrix(256, inner, dtype, 2) : random_matrix(inner, 256, dtype, 2);
        const MatmulOptions options = {.transpose_b = transpose_b};
        Matmul products;
        Matrix undisturbed(256, 256, dtype);
        products.run(a, b, undisturbed, options);
        const Disturbance disturbance;
        for (int i = 0; i < kTimes; ++i) {
          Matrix c(256, 256, dtype);
          products.run(a, b, c, options);
          ASSERT_TRUE(same_bits(c, undisturbed)) << inner << (transpose_b ? " rows" : " columns");
        }
      }
    }
  }
  EXPECT_GT(seen, 0);
}

}  // namespace
}  // namespace lorry::ops::cpu
