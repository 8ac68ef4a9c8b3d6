// A trained model: texts in, confidences out; the same bits on every machine, compiler and run.
//
// Why the bits are the same:
//   - Features are integers, each bucket once, whatever the order (model/features.h).
//   - Weights are 32-bit integers in steps of 2^-24. Their products with the features' values are
//     summed in 64 bits: exact, so neither order nor vector width matters. No overflow: 2^31 * 2^4
//     * 2^22 buckets < 2^63.
//   - The sum is divided by the length of the feature vector: one conversion, one square root and
//     one division of doubles, which IEEE 754 rounds correctly, each by itself; there is no
//     multiplication that a compiler could fuse with an addition. Then it is truncated to an
//     integer.
//   - The logistic function is integer arithmetic: e^-x = 2^-(whole + fraction), a polynomial in 30
//     bits for the fraction and a shift for the rest. No exp(), no table.
//   - Confidence is that, rounded to steps of 1/10,000.
// The compiler must not be told to break IEEE 754; score.cc refuses to compile with -ffast-math.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "model/features.h"
#include "model/flat_weights.h"
#include <weir/status.h>

namespace weir {

struct Score {
  std::int32_t probability_q30 =
      0;                         // that the text is spam, in steps of 2^-30; within 1e-6 of exact
  std::uint16_t confidence = 0;  // the same in steps of 1/10,000: 0 .. 10,000
  bool spam = false;             // confidence >= the file's threshold

  friend bool operator==(const Score&, const Score&) = default;
};

// For one thread at a time. A copy shares the weights and may be used on another thread.
class Model {
 public:
  // Fails as load_flat_weights does.
  static Result<Model> load(const std::string& path);

  explicit Model(FlatWeights weights);

  const std::string& version() const { return weights_->version; }

  // 32 hexadecimal digits, over everything that decides a score.
  const std::string& digest() const { return weights_->digest; }

  // Writes scores[i] for texts[i]; as many of the one as of the other. Any bytes are a text: one
  // without any feature (empty, or spaces only) has the model's bias for a score.
  void score(std::span<const std::string_view> texts, std::span<Score> scores);

 private:
  Score score(std::string_view text);

  std::shared_ptr<const FlatWeights> weights_;
  FeatureExtractor extractor_;
};

// 1 / (1 + e^-x) in steps of 2^-30, for x in steps of 2^-24: by integers alone, within 2^-26.
std::int32_t logistic_q30(std::int64_t x_q24);

}  // namespace weir
