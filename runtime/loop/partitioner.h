// Which partition a key belongs to, for every Kafka client that follows Java's.
#pragma once

#include <cstdint>
#include <string_view>

#include "weir/record.h"

namespace weir {

// org.apache.kafka.common.utils.Utils.murmur2: MurmurHash2 of 32 bits, seed 0x9747b28c.
constexpr std::uint32_t murmur2(std::string_view key) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr int kShift = 24;
  const auto byte = [key](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(key[i]));
  };
  std::uint32_t hash = 0x9747b28c ^ static_cast<std::uint32_t>(key.size());
  std::size_t i = 0;
  for (; i + 4 <= key.size(); i += 4) {
    std::uint32_t k = byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24;
    k *= kMultiplier;
    k ^= k >> kShift;
    k *= kMultiplier;
    hash *= kMultiplier;
    hash ^= k;
  }
  switch (key.size() - i) {
    case 3:
      hash ^= byte(i + 2) << 16;
      [[fallthrough]];
    case 2:
      hash ^= byte(i + 1) << 8;
      [[fallthrough]];
    case 1:
      hash ^= byte(i);
      hash *= kMultiplier;
      break;
    default:
      break;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return hash;
}

// Java's: the hash without its sign bit, modulo the topic's partitions (> 0).
constexpr Partition partition_of(std::string_view key, std::int32_t partitions) {
  return Partition(static_cast<std::int32_t>(murmur2(key) & 0x7fffffff) % partitions);
}

}  // namespace weir
