#include "text/unicode.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "text/unicode_gaps.hpp"
#include "text/utf8.hpp"

namespace lorry::text {

namespace {

struct Mark {
  char32_t value;
  int combining_class;  // 0 for starters
};

constexpr char32_t kFirstChangedByNfc =
    0x300;                               // everything below is its own NFC and combines with nothing below
constexpr Index kMaxDecomposition = 64;  // code points; the longest in Unicode is 18 (U+FDFA, NFKD)

int combining_class(char32_t c) {
  return is_inert_in_normalization(c)
             ? 0
             : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

void append_decomposed(std::vector<Mark>& out, char32_t c, bool compatibility) {
  if (c < 0x80 || is_inert_in_normalization(c)) {
    out.push_back({c, 0});
    return;
  }
  const int options = UTF8PROC_DECOMPOSE | UTF8PROC_STABLE | (compatibility ? UTF8PROC_COMPAT : 0);
  std::array<utf8proc_int32_t, kMaxDecomposition> parts{};
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const auto count =
      utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(), kMaxDecomposition,
                              static_cast<utf8proc_option_t>(options), &boundary);
  if (count <= 0 || count > kMaxDecomposition) {
    out.push_back({c, 0});
    return;
  }
  for (Index i = 0; i < count; ++i) {
    const auto part = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
    out.push_back({part, combining_class(part)});
  }
}

void order_marks(std::vector<Mark>& marks) {
  for (auto begin = marks.begin(); begin != marks.end();) {
    if (begin->combining_class == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, marks.end(), [](const Mark& m) { return m.combining_class == 0; });
    std::stable_sort(begin, end,
                     [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
    begin = end;
  }
}

// The primary composite of two characters, or 0.
char32_t compose_pair(char32_t a, char32_t b) {
  if (b < kFirstChangedByNfc || is_inert_in_normalization(a) || is_inert_in_normalization(b)) return 0;
  std::array<utf8proc_int32_t, 4> buffer = {static_cast<utf8proc_int32_t>(a),
                                            static_cast<utf8proc_int32_t>(b), 0, 0};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(buffer.data(), 2, options) != 1) return 0;
  const auto composed = static_cast<char32_t>(buffer[0]);
  return is_inert_in_normalization(composed) ? 0 : composed;
}

// Canonical composition (Unicode 3.11, D117), in place.
void compose(std::vector<Mark>& marks) {
  std::size_t kept = 0;
  std::size_t starter = marks.size();  // none yet
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const Mark mark = marks[i];
    if (starter < kept) {
      const bool adjacent = starter + 1 == kept;
      const bool blocked = !adjacent && marks[kept - 1].combining_class >= mark.combining_class;
      const char32_t composed = blocked ? 0 : compose_pair(marks[starter].value, mark.value);
      if (composed != 0) {
        marks[starter].value = composed;
        continue;
      }
    }
    if (mark.combining_class == 0) starter = kept;
    marks[kept++] = mark;
  }
  marks.resize(kept);
}

bool is_unchanged(std::string_view text, NormalForm form) {
  // Lead bytes from 0xCC up start at U+0300; the other forms may change anything beyond ASCII.
  const int limit = form == NormalForm::kNfc ? 0xCC : 0x80;
  return std::all_of(text.begin(), text.end(),
                     [limit](char c) { return static_cast<unsigned char>(c) < limit; });
}

char32_t lower(char32_t c) {
  // Pairs newer than utf8proc 2.8 (Unicode 15 to 17).
  if (c >= 0x10D50 && c <= 0x10D65) return c + 0x20;
  if (c >= 0x16EA0 && c <= 0x16EB8) return c + 0x1B;
  if (c == 0x1C89 || c == 0xA7CC || c == 0xA7CE || c == 0xA7D2 || c == 0xA7D4 || c == 0xA7DA) return c + 1;
  if (c == 0xA7CB) return 0x264;
  if (c == 0xA7DC) return 0x19B;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace

bool is_whitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_number(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO || is_later_number(c);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return c > 0x20 && c < 0x7F && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  const bool here = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
  return (here && !is_punctuation_only_here(c)) || is_punctuation_only_there(c);
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_unchanged(text, form)) return std::string(text);
  const bool compatibility = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<Mark> marks;
  marks.reserve(text.size());
  for_each_code_point(text, [&](char32_t c, Index, Index) { append_decomposed(marks, c, compatibility); });
  order_marks(marks);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(marks);
  std::string out;
  out.reserve(text.size());
  for (const Mark& mark : marks) append_utf8(out, mark.value);
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_code_point(text, [&out](char32_t c, Index, Index) {
    if (c == 0x130) {  // the one letter whose lower case is two characters
      out += "i\xCC\x87";
    } else {
      append_utf8(out, lower(c));
    }
  });
  return out;
}

}  // namespace lorry::text
