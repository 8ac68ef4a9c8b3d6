// That it is what a broker weighs is shown in sink_broker_test.cc.
#include "kafka/record_weight.h"

#include <string>

#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(RecordWeight, IsAtMostWhatTheCheapBoundSays) {
  const std::string longer(100'000, 'x');
  const std::vector<Header> headers(300, Header{"name", std::string_view(longer).substr(0, 300)});
  for (const std::size_t bytes : {0UL, 1UL, 63UL, 64UL, 8'191UL, 8'192UL, 100'000UL}) {
    for (const std::size_t header_count : {0UL, 1UL, 63UL, 64UL, 300UL}) {
      OutRecord record;
      record.value = std::string_view(longer).substr(0, bytes);
      record.headers = std::span(headers).first(header_count);
      EXPECT_LE(batch_weight(record, std::nullopt), most_weight(record));
      record.key = record.value;
      EXPECT_LE(batch_weight(record, std::nullopt), most_weight(record));
      EXPECT_LE(batch_weight(record, 0), batch_weight(record, std::nullopt));
    }
  }
}

TEST(RecordWeight, OfARecordWithoutKeyAndValueIsThatOfItsLengths) {
  EXPECT_EQ(batch_weight(OutRecord(), std::nullopt), 61U + 7U);
}

}  // namespace
}  // namespace weir
