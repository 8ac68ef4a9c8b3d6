#include <gmock/gmock.h>

#include "kafka/admin.h"
#include "kafka/broker_case.h"

namespace weir {
namespace {

using testing::HasSubstr;

class KafkaAdminTest : public BrokerCase {};

TEST_F(KafkaAdminTest, ATopicIsAsItWasAskedFor) {
  const std::string name = topic("made", 3,
                                 {{"message.timestamp.type", "LogAppendTime"},
                                  {"retention.ms", "-1"},
                                  {"max.message.bytes", "123456"}});
  const auto found = until_done([&] { return admin->describe(name); });
  ASSERT_TRUE(found.is_ok()) << found.status().message();
  ASSERT_TRUE(found.value());
  EXPECT_EQ(found.value()->partitions, 3);
  EXPECT_EQ(found.value()->replicas, 1);
  const TopicFacts facts = facts_of(*found.value());
  EXPECT_TRUE(facts.has_broker_timestamps);
  EXPECT_FALSE(facts.is_compacted);
  EXPECT_EQ(facts.retention_ms, std::nullopt);
  EXPECT_EQ(facts.record_bytes_max, 123456);
  EXPECT_EQ(until_done([&] { return admin->brokers(); }).value(), 1);
}

TEST_F(KafkaAdminTest, TheTopicsAreThoseOfPeople) {
  const std::string name = topic("made");
  const auto topics = until_done([&] { return admin->topics(); });
  ASSERT_TRUE(topics.is_ok()) << topics.status().message();
  EXPECT_THAT(topics.value(), testing::Contains(name));
  EXPECT_THAT(topics.value(), testing::Not(testing::Contains(testing::StartsWith("__"))));
}

TEST_F(KafkaAdminTest, FactsTellWhatDedupCannotLiveWith) {
  const std::string name = topic("odd", 1,
                                 {{"cleanup.policy", "compact,delete"},
                                  {"retention.ms", "60000"},
                                  {"message.timestamp.after.max.ms", "9223372036854775807"}});
  TopicFacts facts = facts_of(*until_done([&] { return admin->describe(name); }).value());
  EXPECT_FALSE(facts.has_broker_timestamps);
  EXPECT_TRUE(facts.is_compacted);
  EXPECT_EQ(facts.retention_ms, 60'000);
  EXPECT_EQ(facts.ahead_ms_max, std::nullopt);
  const std::string other = topic("even", 1, {{"message.timestamp.after.max.ms", "5000"}});
  facts = facts_of(*until_done([&] { return admin->describe(other); }).value());
  EXPECT_EQ(facts.ahead_ms_max, 5000);
}

TEST_F(KafkaAdminTest, ATopicThatIsThereIsNotCreatedAgain) {
  const std::string name = topic("once");
  const std::array again{NewTopic{prefix + ".other", 1, 1, {}}, NewTopic{name, 2, 1, {}}};
  const Status failure = admin->create(again);
  ASSERT_FALSE(failure.is_ok());
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_THAT(failure.message(), HasSubstr(name));
  EXPECT_EQ(until_done([&] { return admin->describe(name); }).value()->partitions, 1);
}

TEST_F(KafkaAdminTest, AWrongSettingIsNamed) {
  const NewTopic wrong{prefix + ".wrong", 1, 1, {{"cleanup.policy", "sometimes"}}};
  const Status failure = admin->create(std::span(&wrong, 1));
  ASSERT_FALSE(failure.is_ok());
  EXPECT_THAT(failure.message(), HasSubstr("cleanup.policy"));
}

TEST_F(KafkaAdminTest, AMissingTopicIsNoFailure) {
  const auto found = until_done([&] { return admin->describe(prefix + ".nowhere"); });
  ASSERT_TRUE(found.is_ok()) << found.status().message();
  EXPECT_FALSE(found.value());
  EXPECT_TRUE(admin->remove(prefix + ".nowhere").is_ok());
}

TEST_F(KafkaAdminTest, WithoutABrokerItIsTriedAgain) {
  ClusterSettings nowhere;
  nowhere.bootstrap = "127.0.0.1:1";
  nowhere.request_wait_max = std::chrono::milliseconds(300);
  KafkaAdmin lost(nowhere);
  EXPECT_EQ(lost.brokers().status().remedy(), Remedy::retry);
  EXPECT_EQ(lost.describe("x").status().remedy(), Remedy::retry);
  const NewTopic any{"x", 1, 1, {}};
  EXPECT_EQ(lost.create(std::span(&any, 1)).remedy(), Remedy::retry);
}

}  // namespace
}  // namespace weir
