#include "kafka/record_weight.h"

#include <random>
#include <string>

#include <gtest/gtest.h>
#include <lz4frame.h>

namespace weir {
namespace {

void add_varint(std::string& to, std::int64_t value) {
  auto bits = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
  for (; bits >= 0x80; bits >>= 7) {
    to += static_cast<char>(bits | 0x80);
  }
  to += static_cast<char>(bits);
}

void add_bytes(std::string& to, std::string_view bytes) {
  add_varint(to, static_cast<std::int64_t>(bytes.size()));
  to += bytes;
}

// The only record of a batch, as Kafka's protocol describes it.
std::string encoded(const OutRecord& record) {
  std::string body(1, '\0');  // attributes
  add_varint(body, 0);        // timestamp delta
  add_varint(body, 0);        // offset delta
  add_bytes(body, record.key.value_or(""));
  add_bytes(body, record.value.value_or(""));
  add_varint(body, static_cast<std::int64_t>(record.headers.size()));
  for (const Header& header : record.headers) {
    add_bytes(body, header.name);
    add_bytes(body, header.value.value_or(""));
  }
  std::string whole;
  add_bytes(whole, body);
  return whole;
}

// What the client sends of it: rd_kafka_lz4_compress takes the value apart from what is before it.
std::size_t weight_sent(const OutRecord& record, std::optional<int> level) {
  const std::string body = encoded(record);
  if (!level) {
    return 61 + body.size();
  }
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.compressionLevel = *level;
  LZ4F_compressionContext_t context = nullptr;
  EXPECT_EQ(LZ4F_isError(LZ4F_createCompressionContext(&context, LZ4F_VERSION)), 0U);
  std::string frame(LZ4F_compressBound(body.size(), nullptr) + 1000, '\0');
  std::size_t used = LZ4F_compressBegin(context, frame.data(), frame.size(), &preferences);
  const std::size_t before = body.find(record.value.value_or(""));
  for (const std::string_view piece :
       {std::string_view(body).substr(0, before), std::string_view(body).substr(before)}) {
    used += LZ4F_compressUpdate(context, frame.data() + used, frame.size() - used, piece.data(),
                                piece.size(), nullptr);
  }
  used += LZ4F_compressEnd(context, frame.data() + used, frame.size() - used, nullptr);
  LZ4F_freeCompressionContext(context);
  return 61 + std::min(used, body.size());
}

// Words of a small vocabulary between random bytes: `order` of 100 are words.
std::string text(std::size_t bytes, unsigned order, std::minstd_rand& random) {
  std::string text;
  while (text.size() < bytes) {
    if (random() % 100 < order) {
      text += "word" + std::to_string(random() % 50);
    } else {
      text += static_cast<char>(random() >> 8);
    }
  }
  text.resize(bytes);
  return text;
}

TEST(RecordWeight, IsNeverMoreThanIsSentAndLittleLess) {
  std::minstd_rand random(7);
  for (const std::size_t bytes : {0UL, 100UL, 5'000UL, 65'536UL, 800'000UL}) {
    for (const unsigned order : {0U, 3U, 30U, 90U, 100U}) {
      for (const std::optional<int> level :
           {std::optional<int>(), std::optional(0), std::optional(9)}) {
        const std::string key(random() % 90, 'k');
        const std::string value = text(bytes, order, random);
        const std::string header_value = text(random() % 200, order, random);
        const std::vector<Header> headers(random() % 4, Header{"origin", header_value});
        OutRecord record;
        record.key = key;
        record.value = value;
        record.headers = headers;
        const std::size_t sent = weight_sent(record, level);
        const std::size_t least = least_weight(record, level);
        EXPECT_LE(least, sent) << bytes << " bytes, " << order << ", level " << level.value_or(-1);
        EXPECT_LE(sent, least + least / 99 + 1100 + key.size() + headers.size() * 210)
            << bytes << " bytes, " << order << ", level " << level.value_or(-1);
      }
    }
  }
}

TEST(RecordWeight, OfARecordWithoutValueIsThatOfItsKey) {
  OutRecord record;
  record.key = "0123456789";
  EXPECT_GE(least_weight(record, 0), 10U);
  EXPECT_LE(least_weight(record, 0), weight_sent(record, std::nullopt));
}

}  // namespace
}  // namespace weir
