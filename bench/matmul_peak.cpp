#include "matmul_peak.hpp"

#include <algorithm>
#include <dnnl.hpp>
#include <map>
#include <tuple>

#include "core/clock.hpp"

namespace lorry::bench {

namespace {

using dnnl::memory;

memory::data_type type_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return memory::data_type::bf16;
    case DType::kU8:
      return memory::data_type::u8;
    case DType::kI8:
      return memory::data_type::s8;
    case DType::kI32:
      return memory::data_type::s32;
    default:
      return memory::data_type::f32;
  }
}

/// Of b and c beside an a of that type. Bytes are multiplied unsigned by signed, as VNNI does it.
DType weight_type(DType dtype) {
  return dtype == DType::kU8 ? DType::kI8 : dtype;
}
DType result_type(DType dtype) {
  return dtype == DType::kU8 ? DType::kI32 : dtype;
}

/// oneDNN's product of one shape, ready to run.
class Runner {
 public:
  Runner(const Product& product, DType dtype)
      : a_({product.m, product.k}, type_of(dtype), memory::format_tag::ab),
        b_({product.k, product.n}, type_of(weight_type(dtype)),
           product.transposed ? memory::format_tag::ba : memory::format_tag::ab),
        c_({product.m, product.n}, type_of(result_type(dtype)), memory::format_tag::ab),
        matmul_(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a_, b_, c_), engine_)) {}

  void run(const std::byte* a, const std::byte* b, std::byte* c) {
    matmul_.execute(stream_, {{DNNL_ARG_SRC, memory(a_, engine_, const_cast<std::byte*>(a))},
                              {DNNL_ARG_WEIGHTS, memory(b_, engine_, const_cast<std::byte*>(b))},
                              {DNNL_ARG_DST, memory(c_, engine_, c)}});
    stream_.wait();
  }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  memory::desc a_, b_, c_;
  dnnl::matmul matmul_;
};

double flops_of(const Product& product) {
  return 2.0 * static_cast<double>(product.m) * static_cast<double>(product.n) *
         static_cast<double>(product.k);
}

}  // namespace

bool has_product(DType dtype) {
  try {
    const Runner runner({64, 64, 64, true}, dtype);
  } catch (const dnnl::error&) {
    return false;
  }
  return true;
}

double measure_product(const Product& product, DType dtype, double seconds) {
  Runner runner(product, dtype);
  const Matrix a(product.m, product.k, dtype);
  const Matrix b(product.k, product.n, weight_type(dtype));
  Matrix c(product.m, product.n, result_type(dtype));
  const auto run = [&] { runner.run(a.view().data, b.view().data, c.view().data); };
  run();
  const Stopwatch watch;
  Index count = 0;
  do {
    run();
    ++count;
  } while (watch.seconds() < seconds);
  return flops_of(product) * static_cast<double>(count) / watch.seconds();
}

double measure_peak(DType dtype, double seconds) {
  double best = 0;
  for (const Product& product :
       {Product{512, 2048, 2048, true}, Product{512, 5632, 2048, true}, Product{512, 2048, 5632, true},
        Product{512, 4096, 4096, true}, Product{512, 2048, 2048, false}, Product{512, 2048, 5632, false}}) {
    best = std::max(best, measure_product(product, dtype, seconds));
  }
  return best;
}

double measure_step_products(const std::vector<ConstMatrixView>& weights, Index rows) {
  const DType dtype = weights.front().dtype;
  Index widest = 0;
  for (const ConstMatrixView& weight : weights) widest = std::max({widest, weight.rows, weight.cols});
  const Matrix a(rows, widest, dtype);
  Matrix c(rows, widest, dtype);
  std::map<std::tuple<Index, Index, bool>, Runner> runners;
  double flops = 0;
  const auto pass = [&](bool transposed) {
    for (const ConstMatrixView& weight : weights) {
      const Product product = {rows, transposed ? weight.rows : weight.cols,
                               transposed ? weight.cols : weight.rows, transposed};
      const auto found = runners.try_emplace({product.n, product.k, transposed}, product, dtype).first;
      found->second.run(a.view().data, weight.data, c.view().data);
      flops += flops_of(product);
    }
  };
  pass(true);  // compiles the products
  pass(false);
  flops = 0;
  const Stopwatch watch;
  pass(true);
  pass(false);
  return flops / watch.seconds();
}

}  // namespace lorry::bench
