#include "matmul_peak.hpp"

#include <algorithm>
#include <dnnl.hpp>

#include "core/clock.hpp"
#include "tensor/matrix.hpp"

namespace lorry::bench {

double measure_product(const Product& product, DType dtype, double seconds) {
  using dnnl::memory;
  const auto type = dtype == DType::kBF16 ? memory::data_type::bf16 : memory::data_type::f32;
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const memory::desc a({product.m, product.k}, type, memory::format_tag::ab);
  const memory::desc b({product.k, product.n}, type,
                       product.transposed ? memory::format_tag::ba : memory::format_tag::ab);
  const memory::desc c({product.m, product.n}, type, memory::format_tag::ab);
  const dnnl::matmul matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, c), engine));
  Matrix source(product.m, product.k, dtype);
  Matrix weights(product.k, product.n, dtype);
  Matrix result(product.m, product.n, dtype);
  const std::unordered_map<int, memory> arguments = {
      {DNNL_ARG_SRC, memory(a, engine, source.view().data)},
      {DNNL_ARG_WEIGHTS, memory(b, engine, weights.view().data)},
      {DNNL_ARG_DST, memory(c, engine, result.view().data)}};
  const auto run = [&] {
    matmul.execute(stream, arguments);
    stream.wait();
  };
  run();
  const Stopwatch watch;
  Index count = 0;
  do {
    run();
    ++count;
  } while (watch.seconds() < seconds);
  const double flops =
      2.0 * static_cast<double>(product.m) * static_cast<double>(product.n) * static_cast<double>(product.k);
  return flops * static_cast<double>(count) / watch.seconds();
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

}  // namespace lorry::bench
