// ops/reference/attention.hpp: the specification of attention (docs/math/attention.md): one score at a time.
// The backward is here too, because complex steps over long documents would take minutes; it is itself
// checked by complex steps on short ones.
#pragma once
#include <algorithm>
#include <cmath>
#include <complex>
#include <utility>
#include <vector>

#include "ops/ops.hpp"
#include "ops/reference/dense.hpp"

namespace lorry::ops::reference {

/// One query's place: its row of q, and the rows of the keys that it sees.
struct QueryPlace {
  Index row;
  std::vector<Index> key_rows;
};

inline std::vector<QueryPlace> query_places(const Documents& documents, Index window) {
  std::vector<QueryPlace> places;
  for (std::size_t d = 0; d + 1 < documents.queries.size(); ++d) {
    for (Index row = documents.queries[d]; row < documents.queries[d + 1]; ++row) {
      QueryPlace place{row, {}};
      const auto add_rows = [&](Index first, Index last) {
        for (Index key = first; key < last; ++key) place.key_rows.push_back(key);
      };
      if (const Index parent = documents.parent(d); parent >= 0) {
        add_rows(documents.keys[static_cast<std::size_t>(parent)],
                 documents.keys[static_cast<std::size_t>(parent) + 1]);
      }
      add_rows(documents.keys[d], documents.keys[d + 1] - (documents.queries[d + 1] - row) + 1);
      const auto unseen = window == 0 ? 0 : std::max<Index>(0, std::ssize(place.key_rows) - window);
      place.key_rows.erase(place.key_rows.begin(), place.key_rows.begin() + unseen);
      places.push_back(std::move(place));
    }
  }
  return places;
}

/// Probabilities of query `place` in head h over the keys it sees; lse as in ops.hpp.
template <class T>
std::vector<T> probabilities(const Dense<T>& q, const Dense<T>& k, const QueryPlace& place, Index h,
                             const AttentionShape& shape, T* lse) {
  const Index q_col = h * shape.head_dim;
  const Index k_col = h / (shape.heads / shape.kv_heads) * shape.head_dim;
  std::vector<T> p;
  double top = -1e300;
  for (const Index j : place.key_rows) {
    T score = T(0);
    for (Index d = 0; d < shape.head_dim; ++d) score += q(place.row, q_col + d) * k(j, k_col + d);
    p.push_back(score * T(shape.scale));
    top = std::max<double>(top, std::real(p.back()));
  }
  T sum = T(0);
  for (T& x : p) sum += (x = std::exp(x - T(top)));
  for (T& x : p) x /= sum;
  if (lse != nullptr) *lse = std::log(sum) + T(top);
  return p;
}

/// out [Nq, heads*head_dim]; lse [Nq, heads] is made here unless null.
template <class T>
Dense<T> attention(const Dense<T>& q, const Dense<T>& k, const Dense<T>& v, const Documents& documents,
                   const AttentionShape& shape, Dense<T>* lse = nullptr) {
  Dense<T> out(q.rows, q.cols);
  if (lse != nullptr) *lse = Dense<T>(q.rows, shape.heads);
  for (const QueryPlace& place : query_places(documents, shape.window)) {
    for (Index h = 0; h < shape.heads; ++h) {
      T* lse_at = lse == nullptr ? nullptr : &(*lse)(place.row, h);
      const std::vector<T> p = probabilities(q, k, place, h, shape, lse_at);
      const Index k_col = h / (shape.heads / shape.kv_heads) * shape.head_dim;
      for (std::size_t j = 0; j < p.size(); ++j) {
        for (Index d = 0; d < shape.head_dim; ++d) {
          out(place.row, h * shape.head_dim + d) += p[j] * v(place.key_rows[j], k_col + d);
        }
      }
    }
  }
  return out;
}

template <class T>
struct AttentionGradients {
  Dense<T> dq, dk, dv;
};

template <class T>
AttentionGradients<T> attention_backward(const Dense<T>& q, const Dense<T>& k, const Dense<T>& v,
                                         const Dense<T>& dout, const Documents& documents,
                                         const AttentionShape& shape) {
  AttentionGradients<T> g{{q.rows, q.cols}, {k.rows, k.cols}, {v.rows, v.cols}};
  for (const QueryPlace& place : query_places(documents, shape.window)) {
    for (Index h = 0; h < shape.heads; ++h) {
      const std::vector<T> p = probabilities(q, k, place, h, shape, static_cast<T*>(nullptr));
      const Index col = h * shape.head_dim;
      const Index k_col = h / (shape.heads / shape.kv_heads) * shape.head_dim;
      std::vector<T> dp(p.size());
      T mean = T(0);
      for (std::size_t j = 0; j < p.size(); ++j) {
        const Index row = place.key_rows[j];
        for (Index d = 0; d < shape.head_dim; ++d) {
          dp[j] += dout(place.row, col + d) * v(row, k_col + d);
          g.dv(row, k_col + d) += p[j] * dout(place.row, col + d);
        }
        mean += p[j] * dp[j];
      }
      for (std::size_t j = 0; j < p.size(); ++j) {
        const Index row = place.key_rows[j];
        const T ds = p[j] * (dp[j] - mean) * T(shape.scale);
        for (Index d = 0; d < shape.head_dim; ++d) {
          g.dq(place.row, col + d) += ds * k(row, k_col + d);
          g.dk(row, k_col + d) += ds * q(place.row, col + d);
        }
      }
    }
  }
  return g;
}

}  // namespace lorry::ops::reference
