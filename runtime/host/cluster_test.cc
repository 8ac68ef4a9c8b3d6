#include "host/cluster.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(KafkaProperty, WhatTheLaneMustKnowIsANumberOfMilliseconds) {
  for (const char* name :
       {"session.timeout.ms", "max.poll.interval.ms", "transaction.timeout.ms"}) {
    for (const char* value : {"1000", "900000"}) {
      EXPECT_TRUE(check_kafka_property(name, value).is_ok()) << name << " " << value;
    }
    for (const char* value : {"999", "900001", "45s", "", "-1000", "99999999999999999999"}) {
      const Status refused = check_kafka_property(name, value);
      ASSERT_FALSE(refused.is_ok()) << name << " " << value;
      EXPECT_EQ(refused.exit_code(), ExitCode::config);
      EXPECT_THAT(refused.message(), HasSubstr("milliseconds from 1000 to 900000"));
    }
  }
}

// Values that librdkafka would take, under each of its names.
TEST(KafkaProperty, HowOutputsAreWrittenIsNotTheDeploymentsToSay) {
  const std::pair<const char*, const char*> refused[] = {
      {"acks", "1"},
      {"request.required.acks", "1"},
      {"retries", "0"},
      {"message.send.max.retries", "0"},
      {"max.in.flight", "1000"},
      {"max.in.flight.requests.per.connection", "1000"},
      {"enable.idempotence", "false"},
      {"enable.gapless.guarantee", "true"},
      {"queuing.strategy", "lifo"},
      {"transactional.id", "mine"},
      {"message.timeout.ms", "1000"},
      {"delivery.timeout.ms", "1000"},
      {"message.max.bytes", "1000"},
      {"partitioner", "random"},
      {"delivery.report.only.error", "true"},
      {"produce.offset.report", "true"},
  };
  for (const auto& [name, value] : refused) {
    const Status status = check_kafka_property(name, value);
    ASSERT_FALSE(status.is_ok()) << name;
    EXPECT_THAT(status.message(), HasSubstr(std::string(name) + " can't be set: "));
  }
}

// A broker ended each transaction before its turn was due: nothing was ever committed.
TEST(Turn, IsCommittedInHalfTheTimeThatABrokerLeavesATransaction) {
  const auto check = [](std::chrono::milliseconds interval_max, const char* timeout) {
    config::Deployment deployment;
    deployment.file = "spam.yaml";
    deployment.turn.interval_max = interval_max;
    if (timeout != nullptr) {
      deployment.kafka.push_back({"transaction.timeout.ms", timeout});
    }
    return check_turn(deployment);
  };
  using std::chrono::milliseconds;
  EXPECT_TRUE(check(milliseconds(100), nullptr).is_ok());
  EXPECT_TRUE(check(milliseconds(15'000), nullptr).is_ok());
  EXPECT_FALSE(check(milliseconds(15'001), nullptr).is_ok());
  EXPECT_TRUE(check(milliseconds(4'000), "8000").is_ok());
  const Status refused = check(milliseconds(30'000), "8000");
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(refused.message(), HasSubstr("spam.yaml: turn.interval_max is 30000 ms and kafka: "
                                           "transaction.timeout.ms 8000: "));
  EXPECT_THAT(refused.message(), HasSubstr("Set turn.interval_max to 4000ms or less, or "
                                           "transaction.timeout.ms to 60000 or more"));
}

}  // namespace
}  // namespace weir
