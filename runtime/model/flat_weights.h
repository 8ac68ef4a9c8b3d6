// The trained weights as one flat file, written by stages/spam/train.py.
//
// Little-endian; offsets in bytes:
//     0  8  "WEIRFLAT"
//     8  4  format version, 1
//    12  4  bytes before the weights, 128
//    16 16  XXH3-128 (canonical, big-endian) of everything from byte 32 on
//    32  8  bytes of the whole file
//    40  8  hash seed
//    48  4  dimension: a power of two, 1,024 .. 4,194,304
//    52  1  words_max    0 .. 4
//    53  1  chars_min    1 .. chars_max
//    54  1  chars_max    1 .. 8
//    55  1  word_weight  1 .. 16
//    56  4  bias, signed, in steps of 2^-24
//    60  4  threshold: spam is a confidence of at least this, 0 .. 10,000
//    64  4  fixed-point bits of bias and weights, 24
//    68 60  version: printable ASCII without spaces, at least one character, padded with NULs
//   128  .  dimension weights, signed 32 bits each, in steps of 2^-24
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/features.h"
#include <weir/status.h>

namespace weir {

inline constexpr int kWeightFractionBits = 24;

struct FlatWeights {
  FeatureSettings features;
  std::int32_t bias = 0;
  std::uint16_t threshold = 0;  // of 10,000
  std::string version;
  std::string digest;                 // 32 hexadecimal digits
  std::vector<std::int32_t> weights;  // features.dimension of them
};

// Checks everything that the layout above says. A failure's remedy is stop, with exit code config;
// its message names the file, the field and what was found.
Result<FlatWeights> load_flat_weights(const std::string& path);

// The same on bytes at hand; `path` is for messages only.
Result<FlatWeights> parse_flat_weights(std::string_view content, const std::string& path);

}  // namespace weir
