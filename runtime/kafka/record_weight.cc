#include "kafka/record_weight.h"

#include <algorithm>
#include <string>

#include <lz4frame.h>

#include "weir/status.h"

namespace weir {

namespace {

constexpr std::size_t kBatchHeaderBytes = 61;

// Zigzag, seven bits a byte.
void append_varint(std::string& to, std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) {
    to += static_cast<char>(bits | 0x80);
  }
  to += static_cast<char>(bits);
}

void append_bytes(std::string& to, std::optional<std::string_view> bytes) {
  append_varint(to, bytes ? static_cast<std::int64_t>(bytes->size()) : -1);
  to += bytes.value_or("");
}

std::string encoded(const OutRecord& record) {
  std::string body(1, '\0');  // attributes
  append_varint(body, 0);     // timestamp and offset, as of the batch's first record
  append_varint(body, 0);
  append_bytes(body, record.key);
  append_bytes(body, record.value);
  append_varint(body, static_cast<std::int64_t>(record.headers.size()));
  for (const Header& header : record.headers) {
    append_bytes(body, header.name);
    append_bytes(body, header.value);
  }
  std::string whole;
  append_bytes(whole, body);
  return whole;
}

std::size_t lz4_bytes(std::string_view plain, int level) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = level;
  std::string frame(LZ4F_compressFrameBound(plain.size(), &preferences), '\0');
  const std::size_t bytes =
      LZ4F_compressFrame(frame.data(), frame.size(), plain.data(), plain.size(), &preferences);
  WEIR_ASSERT(LZ4F_isError(bytes) == 0);
  return bytes;
}

}  // namespace

std::size_t most_weight(const OutRecord& record) {
  constexpr std::size_t kLengthBytesMax = 5;
  std::size_t bytes = kBatchHeaderBytes + 3 + 4 * kLengthBytesMax;
  bytes += record.key.value_or("").size() + record.value.value_or("").size();
  for (const Header& header : record.headers) {
    bytes += 2 * kLengthBytesMax + header.name.size() + header.value.value_or("").size();
  }
  return bytes;
}

std::size_t batch_weight(const OutRecord& record, std::optional<int> lz4_level) {
  const std::string plain = encoded(record);
  return kBatchHeaderBytes +
         (lz4_level ? std::min(plain.size(), lz4_bytes(plain, *lz4_level)) : plain.size());
}

}  // namespace weir
