#include "kafka/gathering.h"

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "kafka/client.h"
#include "kafka/mock_case.h"

namespace weir {
namespace {

class GatheringTest : public MockCase {
 protected:
  // As a consumer gets it: one made by hand can't be destroyed.
  MessagePtr message(std::string value) {
    const TopicPtr to(rd_kafka_topic_new(client.get(), kTopic, nullptr));
    EXPECT_EQ(rd_kafka_produce(to.get(), 0, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                               nullptr, 0, nullptr),
              0);
    EXPECT_EQ(rd_kafka_flush(client.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    consumer_ = Client::make(RD_KAFKA_CONSUMER, cluster, {{"group.id", "g"}}).value();
    const ListPtr from(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(from.get(), kTopic, 0)->offset = 0;
    EXPECT_EQ(rd_kafka_assign(consumer_->get(), from.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
    MessagePtr read(rd_kafka_consumer_poll(consumer_->get(), 10'000));
    EXPECT_TRUE(read && read->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    return read;
  }

 private:
  std::unique_ptr<Client> consumer_;
};

TEST_F(GatheringTest, ARecordTakesBackTheEndOfItsPartitionAlone) {
  const InputPartition first{InputIndex(0), Partition(0)};
  const InputPartition second{InputIndex(0), Partition(1)};
  Gathering gathering;
  gathering.add_end({first, NextOffset(0)});
  gathering.add_end({second, NextOffset(7)});
  gathering.add(first, message("v"));
  const Batch batch = std::move(gathering).finish();
  ASSERT_EQ(batch.records.size(), 1U);
  EXPECT_EQ(batch.records[0].value, "v");
  ASSERT_EQ(batch.ends.size(), 1U);
  EXPECT_EQ(batch.ends[0].where, second);
}

}  // namespace
}  // namespace weir
