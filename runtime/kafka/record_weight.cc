#include "kafka/record_weight.h"

#include <algorithm>
#include <string>

#include <lz4frame.h>

#include "weir/status.h"

namespace weir {

namespace {

constexpr std::size_t kBatchHeaderBytes = 61;

std::size_t plain_bytes(const OutRecord& record) {
  std::size_t bytes = record.key.value_or("").size() + record.value.value_or("").size();
  for (const Header& header : record.headers) {
    bytes += header.name.size() + header.value.value_or("").size();
  }
  return bytes;
}

// By the same calls as the client's (rd_kafka_lz4_compress).
std::size_t lz4_bytes(std::string_view value, int level) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = level;
  std::string frame(LZ4F_compressFrameBound(value.size(), &preferences), '\0');
  const std::size_t bytes =
      LZ4F_compressFrame(frame.data(), frame.size(), value.data(), value.size(), &preferences);
  WEIR_ASSERT(LZ4F_isError(bytes) == 0);
  return bytes;
}

}  // namespace

std::size_t least_weight(const OutRecord& record, std::optional<int> lz4_level) {
  const std::size_t plain = plain_bytes(record);
  if (!lz4_level || !record.value) {
    return kBatchHeaderBytes + plain;
  }
  const std::size_t compressed = lz4_bytes(*record.value, *lz4_level);
  const std::size_t slack = compressed / 100 + 1024;
  return kBatchHeaderBytes + std::min(plain, compressed - std::min(compressed, slack));
}

}  // namespace weir
