#include "loop/partitioner.h"

#include <string>

#include <gtest/gtest.h>

namespace weir {
namespace {

std::int32_t signed_murmur2(std::string_view key) {
  return static_cast<std::int32_t>(murmur2(key));
}

// From Kafka's own UtilsTest and, for the short and empty keys, librdkafka's unit test.
TEST(Partitioner, HashesAsJavaDoes) {
  EXPECT_EQ(signed_murmur2("21"), -973932308);
  EXPECT_EQ(signed_murmur2("foobar"), -790332482);
  EXPECT_EQ(signed_murmur2("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(signed_murmur2("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(signed_murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(signed_murmur2("abc"), 479470107);
  EXPECT_EQ(murmur2("kafka"), 0xd067cf64);
  EXPECT_EQ(murmur2("1234"), 0x9fc97b14);
  EXPECT_EQ(murmur2("234"), 0xe7c009ca);
  EXPECT_EQ(murmur2("34"), 0x873930da);
  EXPECT_EQ(murmur2("4"), 0x5a4b5ca1);
  EXPECT_EQ(murmur2(""), 0x106e08d9);
}

TEST(Partitioner, BytesAboveAsciiAreNotSignExtended) {
  // By Utils.murmur2 of kafka-clients 4.3.1.
  EXPECT_EQ(murmur2("\xff\xff\xff"), 0x5c47a5fe);
  EXPECT_EQ(murmur2("\xff\x80\xff\xfe\x81"), 0x52be8440);
  EXPECT_EQ(murmur2("ключ"), 0x7e806270);
}

TEST(Partitioner, ANegativeHashLosesItsSignBeforeTheModulo) {
  EXPECT_EQ(partition_of("21", 7).value(), (-973932308 & 0x7fffffff) % 7);
  EXPECT_EQ(partition_of("foobar", 1000).value(), (-790332482 & 0x7fffffff) % 1000);
  EXPECT_EQ(partition_of("", 3).value(), 0x106e08d9 % 3);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(partition_of(std::to_string(i), 1), Partition(0));
  }
}

}  // namespace
}  // namespace weir
