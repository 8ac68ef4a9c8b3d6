// What a real broker says too seldom to wait for; librdkafka's mock cluster says it when told to.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "kafka/broker_case.h"
#include "kafka/handles.h"
#include "kafka/source.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTopic = "t.input";
constexpr std::int16_t kFetch = 1;  // its key in Kafka's protocol

class KafkaSourceMockTest : public BrokerCase {
 protected:
  // A topic with the records "0", "1" and "2". Not by KafkaSink: the mock has no DescribeConfigs.
  void SetUp() override {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", nullptr, 0);
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    mock_ = rd_kafka_handle_mock_cluster(client_.get());
    cluster.bootstrap = rd_kafka_mock_cluster_bootstraps(mock_);
    ASSERT_EQ(rd_kafka_mock_topic_create(mock_, kTopic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    const TopicPtr topic(rd_kafka_topic_new(client_.get(), kTopic, nullptr));
    for (std::string value : {"0", "1", "2"}) {
      ASSERT_EQ(rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                                 nullptr, 0, nullptr),
                0);
    }
    ASSERT_EQ(rd_kafka_flush(client_.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  void call_next_fetch_out_of_range() {
    rd_kafka_mock_push_request_errors(mock_, kFetch, 1, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  }

 private:
  std::unique_ptr<rd_kafka_t, Destroyer<rd_kafka_destroy>> client_;
  rd_kafka_mock_cluster_t* mock_ = nullptr;  // the client's
};

// Seen of a broker under load.
TEST_F(KafkaSourceMockTest, APositionWithinTheLogThatIsCalledOutOfRangeIsReadByANewMember) {
  KafkaSource source(reading({kTopic}));
  ScriptedListener listener;
  listener.on_assigned = [](std::span<const InputPartition> partitions) {
    return std::vector<Position>{{partitions[0], NextOffset(1)}};
  };
  call_next_fetch_out_of_range();
  ok(source.open(listener));
  std::vector<Seen> seen;
  const Status failure = poll_until(source, seen, [](const Batch&) { return false; });
  ASSERT_EQ(failure.remedy(), Remedy::rejoin) << failure.message();
  EXPECT_THAT(failure.message(), HasSubstr("the log holds 0 to 3"));
  ok(source.rejoin());
  ok(poll_until(source, seen, [&](const Batch&) { return seen.size() == 2; }));
  EXPECT_EQ(listener.assignments, 2);
  EXPECT_THAT(values_of(seen), ElementsAre("1", "2"));
}

// Seen of a topic that was just created.
TEST_F(KafkaSourceMockTest, TheStartOfALogThatIsCalledOutOfRangeIsReadAgain) {
  KafkaSource source(reading({kTopic}));
  ScriptedListener listener;
  call_next_fetch_out_of_range();
  ok(source.open(listener));
  std::vector<Seen> seen;
  ok(poll_until(source, seen, [&](const Batch&) { return seen.size() == 3; }));
  EXPECT_EQ(listener.assignments, 1);
  EXPECT_THAT(values_of(seen), ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace weir
