#include <gmock/gmock.h>

#include "kafka/broker_case.h"
#include "kafka/producer.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class KafkaProducerTest : public BrokerCase {};

TEST_F(KafkaProducerTest, AMissingTopicIsToldFromOtherThingsThatAreWrongWithTheConfiguration) {
  KafkaProducer producer({.cluster = cluster, .topic = prefix + ".nowhere"});
  const Status missing = until_done([&] { return producer.open(); });
  ASSERT_FALSE(missing.is_ok());
  EXPECT_EQ(missing.exit_code(), ExitCode::config);
  EXPECT_TRUE(producer.is_topic_missing());

  ClusterSettings sasl = cluster;
  sasl.properties = {{"security.protocol", "sasl_plaintext"},
                     {"sasl.mechanisms", "PLAIN"},
                     {"sasl.username", "u"},
                     {"sasl.password", "p"}};
  KafkaProducer stranger({.cluster = sasl, .topic = prefix + ".nowhere"});
  const Status refused = until_done([&] { return stranger.open(); });
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.exit_code(), ExitCode::config) << refused.message();
  EXPECT_THAT(refused.message(), HasSubstr("ask for no SASL"));
  EXPECT_FALSE(stranger.is_topic_missing());
}

// Where it was one to ask again, `--wait 0` ended with the broker's silence.
TEST_F(KafkaProducerTest, ATopicsLimitMakesBatchesThatFitAndIsNoReasonToWait) {
  cluster.properties = {{"compression.codec", "none"}};
  KafkaProducer producer(
      {.cluster = cluster, .topic = topic("small", 1, {{"max.message.bytes", "2000"}})});
  ok(until_done([&] {
    Status opened = producer.open();
    if (!opened.is_ok()) {
      EXPECT_THAT(opened.message(), Not(HasSubstr("max.message.bytes")));
    }
    return opened;
  }));
  for (int i = 0; i < 4; ++i) {
    ok(producer.send(std::nullopt, std::string(900, 'x')));
  }
  ok(until_done([&] { return producer.flush(); }));
  EXPECT_THAT(producer.take_refused(), IsEmpty());
}

TEST_F(KafkaProducerTest, MoreRecordsThanItsQueueTakesAreAllWritten) {
  cluster.properties = {{"queue.buffering.max.messages", "10"}};
  const std::string output = topic("output");
  KafkaProducer producer({.cluster = cluster, .topic = output});
  ok(until_done([&] { return producer.open(); }));
  for (int i = 0; i < 100; ++i) {
    ok(until_done([&] { return producer.send("k", "v"); }));
  }
  ok(until_done([&] { return producer.flush(); }));
  EXPECT_EQ(read_all(output).size(), 100U);
}

}  // namespace
}  // namespace weir
