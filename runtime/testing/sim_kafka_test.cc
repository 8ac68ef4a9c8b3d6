#include "testing/sim_kafka.h"

#include <string>

#include <gtest/gtest.h>

namespace weir {
namespace {

constexpr const char* kGroup = "group";
constexpr const char* kInput = "in";
constexpr const char* kOutput = "out";

class SimKafkaTest : public ::testing::Test {
 protected:
  SimKafkaTest() {
    kafka_.create_topic(kInput);
    kafka_.create_topic(kOutput, {.partitions = 8});
    sink_ = kafka_.sink("writer", {kOutput}, kGroup, {kInput});
    EXPECT_TRUE(sink_->open().is_ok());
  }

  Status send(std::string_view key, Partition to) {
    OutRecord record;
    record.partition = to;
    record.timestamp = Timestamp(1);
    record.key = key;
    return sink_->send(std::span(&record, 1));
  }

  SimKafka kafka_;
  std::unique_ptr<Sink> sink_;
};

// murmur2("foobar") = -790332482, murmur2("21") = -973932308, in Java.
TEST_F(SimKafkaTest, AKeyChoosesThePartitionThatItChoosesInKafka) {
  ASSERT_TRUE(sink_->begin().is_ok());
  ASSERT_TRUE(send("foobar", kPartitionByKey).is_ok());
  ASSERT_TRUE(send("21", kPartitionByKey).is_ok());
  ASSERT_TRUE(sink_->commit().is_ok());
  const auto key_at = [this](std::int32_t partition) {
    return kafka_.read(kOutput, partition).at(0).second.key.value();
  };
  EXPECT_EQ(key_at((-790332482 & 0x7fffffff) % 8), "foobar");
  EXPECT_EQ(key_at((-973932308 & 0x7fffffff) % 8), "21");
}

}  // namespace
}  // namespace weir
