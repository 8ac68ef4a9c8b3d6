// A text as a sparse set of hashed words and character n-grams.
//
// The definition below is exact, over bytes and code points, with no locale and no Unicode tables,
// because stages/spam/train.py implements it a second time and both must agree to the bit. Change
// both or neither; the vectors in stages/spam/model/*_features.tsv hold them together.
//
// Normalising, in this order:
//   1. Markup, over bytes, left to right, what is written is not read again:
//      '<', then an ASCII letter or '/', then bytes other than '<' and '>', then '>'  ->  one space
//      &#39; -> '   &quot; -> "   &amp; -> &   &lt; -> <   &gt; -> >
//   2. Code points: UTF-8. Each byte that is not part of a well-formed sequence (Unicode 15, table
//      3-7: no overlongs, no surrogates, none beyond U+10FFFF) becomes one U+FFFD.
//   3. U+FEFF, U+200B..U+200F, U+2060 and U+FE0F are left out.
//   4. Full-width U+FF01..U+FF5E become U+0021..U+007E.
//   5. U+0000..U+0020, U+007F, U+00A0, U+2028, U+2029, U+3000 are space: a run becomes one U+0020,
//      at either end none.
//   6. A..Z become a..z, and 0..9 all become 0.
// Tokens: maximal runs of word code points (a-z 0-9 ' U+00C0..U+1FFF U+3040..U+D7FF), and maximal
// runs of others that are not space. A new run starts where the kind changes.
// Features, each hashed as XXH3-64 of UTF-8 bytes with seed hash_seed + kind:
//   kind 1: n consecutive tokens joined by one space, n = 1..words_max        value word_weight
//   kind 2: n consecutive code points of space + normalised text + space,
//           n = chars_min..chars_max                                          value 1
//   kind 3: one byte, the bit width of the normalised text's code points      value word_weight
// A feature's bucket is its hash modulo dimension; a bucket has the largest value that falls into
// it. So the order in which features are found never matters. An empty normalised text has none.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

struct FeatureSettings {
  std::uint64_t hash_seed = 0;
  std::uint32_t dimension = 0;  // a power of two
  std::uint8_t words_max = 0;   // 0: no words
  std::uint8_t chars_min = 1;
  std::uint8_t chars_max = 0;    // 0: no characters
  std::uint8_t word_weight = 1;  // at least 1
};

struct Feature {
  std::uint32_t bucket;
  std::uint8_t value;
};

// Takes any bytes of any length, in time linear in it. Keeps its buffers from text to text, so that
// it allocates only for a text larger than all before. For one thread at a time.
class FeatureExtractor {
 public:
  explicit FeatureExtractor(const FeatureSettings& settings);

  // The features of `text`, each bucket once, in no particular order. Valid until the next call.
  std::span<const Feature> extract(std::string_view text);

  // The normalised form of the text extracted last, as UTF-8. Valid until the next call.
  std::string_view normalised() const;

 private:
  void normalise(std::string_view text);
  void append(char32_t code_point);
  void tokenise();
  void add(std::uint64_t kind, std::string_view bytes, std::uint8_t value);

  FeatureSettings settings_;
  std::string padded_;                       // space, normalised text, space
  std::vector<std::size_t> points_;          // where each code point of padded_ starts, and its end
  std::string joined_;                       // the tokens, a space after each
  std::vector<std::size_t> tokens_;          // where each token of joined_ starts, and its end
  std::vector<std::uint8_t> bucket_values_;  // all zero between calls
  std::vector<Feature> features_;
};

}  // namespace weir
