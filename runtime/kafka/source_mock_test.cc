#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include "kafka/mock_case.h"
#include "kafka/source.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Their keys in Kafka's protocol.
constexpr std::int16_t kFetch = 1;
constexpr std::int16_t kListOffsets = 2;

class KafkaSourceMockTest : public MockCase {
 protected:
  // A topic with the records "0", "1" and "2".
  void SetUp() override {
    MockCase::SetUp();
    const TopicPtr topic(rd_kafka_topic_new(client.get(), kTopic, nullptr));
    for (std::string value : {"0", "1", "2"}) {
      ASSERT_EQ(rd_kafka_produce(topic.get(), 0, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                                 nullptr, 0, nullptr),
                0);
    }
    ASSERT_EQ(rd_kafka_flush(client.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  void call_next_fetch_out_of_range() {
    answer_next(kFetch, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
  }
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

// That it is out of range is said once: a poll that is only repeated would find the partition
// silent for ever.
TEST_F(KafkaSourceMockTest, APositionOfWhichNobodyTellsWhetherTheLogHoldsItIsSoughtAgain) {
  cluster.request_wait_max = std::chrono::milliseconds(100);
  KafkaSource source(reading({kTopic}));
  ScriptedListener listener;
  call_next_fetch_out_of_range();
  for (int i = 0; i < 20; ++i) {
    answer_next(kListOffsets, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
  }
  ok(source.open(listener));
  std::vector<Seen> seen;
  const Status failure = poll_until(source, seen, [](const Batch&) { return false; });
  ASSERT_EQ(failure.remedy(), Remedy::abort) << failure.message();
  const Position start{{InputIndex(0), Partition(0)}, NextOffset(0)};
  ok(source.seek(std::span(&start, 1)));
  ok(poll_until(source, seen, [&](const Batch&) { return seen.size() == 3; }));
  EXPECT_THAT(values_of(seen), ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace weir
