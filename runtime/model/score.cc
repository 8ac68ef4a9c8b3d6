#include "model/score.h"

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <limits>
#include <utility>

#if defined(__FAST_MATH__)
#error "runtime/model promises the same bits everywhere: build it without -ffast-math"
#endif
static_assert(std::numeric_limits<double>::is_iec559);
static_assert(FLT_EVAL_METHOD == 0, "doubles must not be computed in a wider format");

namespace weir {
namespace {

constexpr std::int64_t kOneQ30 = std::int64_t{1} << 30;

}  // namespace

std::int32_t logistic_q30(std::int64_t x_q24) {
  constexpr std::int64_t kLog2eQ30 = 1549082005;
  // (ln 2)^k / k!, the Taylor coefficients of 2^-f but for their signs, which alternate.
  constexpr std::array<std::int64_t, 10> kExp2Q30{
      1073741824, 744261118, 257941248, 59597083, 10327387, 1431680, 165394, 16377, 1419, 109};
  constexpr std::int64_t kLargest = std::int64_t{40} << kWeightFractionBits;  // e^-40 < 2^-30
  const std::int64_t magnitude = std::min(x_q24 < 0 ? -x_q24 : x_q24, kLargest);
  const std::int64_t exponent_q30 = (magnitude * kLog2eQ30) >> kWeightFractionBits;
  const std::int64_t fraction_q30 = exponent_q30 & (kOneQ30 - 1);
  std::int64_t power_q30 = 0;
  for (auto k = kExp2Q30.rbegin(); k != kExp2Q30.rend(); ++k) {
    power_q30 = *k - ((power_q30 * fraction_q30) >> 30);
  }
  power_q30 >>= exponent_q30 >> 30;
  const std::int64_t upper = (kOneQ30 << 30) / (kOneQ30 + power_q30);
  return static_cast<std::int32_t>(x_q24 >= 0 ? upper : kOneQ30 - upper);
}

Result<Model> Model::load(const std::string& path) {
  WEIR_TRY_ASSIGN(FlatWeights weights, load_flat_weights(path));
  return Model(std::move(weights));
}

Model::Model(FlatWeights weights)
    : weights_(std::make_shared<const FlatWeights>(std::move(weights))),
      extractor_(weights_->features) {}

void Model::score(std::span<const std::string_view> texts, std::span<Score> scores) {
  WEIR_ASSERT(texts.size() == scores.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    scores[i] = score(texts[i]);
  }
}

Score Model::score(std::string_view text) {
  std::int64_t dot_q24 = 0;
  std::int64_t squares = 0;
  for (const Feature& feature : extractor_.extract(text)) {
    const std::int64_t value = feature.value;
    dot_q24 += weights_->weights[feature.bucket] * value;
    squares += value * value;
  }
  std::int64_t logit_q24 = weights_->bias;
  if (squares > 0) {
    const double length = std::sqrt(static_cast<double>(squares));
    logit_q24 += static_cast<std::int64_t>(static_cast<double>(dot_q24) / length);
  }
  const std::int32_t probability_q30 = logistic_q30(logit_q24);
  const auto confidence =
      static_cast<std::uint16_t>((std::int64_t{probability_q30} * 10000 + kOneQ30 / 2) >> 30);
  return {.probability_q30 = probability_q30,
          .confidence = confidence,
          .spam = confidence >= weights_->threshold};
}

}  // namespace weir
