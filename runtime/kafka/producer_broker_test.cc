#include <gmock/gmock.h>

#include "kafka/broker_case.h"
#include "kafka/producer.h"

namespace weir {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace weir
