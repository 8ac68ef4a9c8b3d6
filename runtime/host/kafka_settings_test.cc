#include "host/kafka_settings.h"

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;
using testing::Not;

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

TEST(KafkaProperty, AnAddressIsNoUrl) {
  EXPECT_TRUE(check_kafka_property("bootstrap.servers", "a:1,b:2").is_ok());
  EXPECT_FALSE(check_kafka_property("bootstrap.servers", "http://a:1").is_ok());
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

struct Clients {
  KafkaSettings settings;
  std::string said;
};

Clients clients_of(std::vector<config::KafkaProperty> properties) {
  config::Deployment deployment;
  deployment.id = "spam";
  deployment.kafka = std::move(properties);
  const Log log(deployment.id, config::LogLevel::warning);
  testing::internal::CaptureStderr();
  Clients made{kafka_settings(deployment, log), ""};
  made.settings.cluster.log(3, "all brokers are down");
  made.settings.cluster.log(4, "a broker went away");
  made.said = testing::internal::GetCapturedStderr();
  return made;
}

TEST(KafkaSettings, WhatTheLaneMustKnowIsTakenOutOfWhatPassesThrough) {
  const auto [settings, said] = clients_of({{"bootstrap.servers", "a:1,b:2"},
                                            {"session.timeout.ms", "6000"},
                                            {"queued.min.messages", "5"},
                                            {"max.poll.interval.ms", "7000"},
                                            {"sasl.password", "p", true},
                                            {"transaction.timeout.ms", "8000"}});
  EXPECT_EQ(settings.cluster.bootstrap, "a:1,b:2");
  EXPECT_EQ(settings.cluster.client_id, "spam");
  EXPECT_EQ(settings.session_silence_max.count(), 6000);
  EXPECT_EQ(settings.poll_silence_max.count(), 7000);
  EXPECT_EQ(settings.transaction_age_max.count(), 8000);
  ASSERT_EQ(settings.cluster.properties.size(), 2U);
  EXPECT_EQ(settings.cluster.properties[0].name, "queued.min.messages");
  EXPECT_EQ(settings.cluster.properties[0].value, "5");
  EXPECT_EQ(settings.cluster.properties[1].name, "sasl.password");
  EXPECT_EQ(settings.cluster.properties[1].value, "p");
}

TEST(KafkaSettings, SayWhatDecidedWhereTheBrokersAre) {
  const auto origin = [](const config::Environment& environment, const char* kafka = "") {
    const std::string text = std::string(
                                 "stage: x\ninputs: {i: {topic: raw.x, dedup: off}}\n"
                                 "outputs: {o: {dataset: x.out}}\n") +
                             kafka;
    const config::Loaded loaded =
        config::load_text(text, "x.yaml", {.environment = environment, .kafka_property = {}});
    EXPECT_TRUE(loaded.status().is_ok()) << loaded.status().message();
    return kafka_settings(*loaded.deployment, Log("x", config::LogLevel::error))
        .cluster.bootstrap_origin;
  };
  constexpr const char* kSet = "kafka: {bootstrap.servers: \"${WEIR_BOOTSTRAP:-a:1}\"}\n";
  EXPECT_EQ(origin({{"WEIR_BOOTSTRAP", "b:1"}}),
            "default, as x.yaml says no kafka.bootstrap.servers");
  EXPECT_EQ(origin({}, kSet), "x.yaml:4:28, default of ${WEIR_BOOTSTRAP}");
  EXPECT_EQ(origin({{"WEIR_BOOTSTRAP", "b:1"}}, kSet), "x.yaml:4:28, ${WEIR_BOOTSTRAP}");
  EXPECT_EQ(origin({{"WEIR__KAFKA__BOOTSTRAP_SERVERS", "c:1"}}, kSet),
            "WEIR__KAFKA__BOOTSTRAP_SERVERS");
}

TEST(KafkaSettings, TheClientsErrorsAreWarningsAndTheRestIsForDebugging) {
  const std::string said = clients_of({}).said;
  EXPECT_THAT(said, HasSubstr(R"("level":"warning")"));
  EXPECT_THAT(said, HasSubstr("all brokers are down"));
  EXPECT_THAT(said, Not(HasSubstr("a broker went away")));
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
  EXPECT_THAT(refused.message(), HasSubstr("spam.yaml: turn.interval_max is 30s and kafka: "
                                           "transaction.timeout.ms 8000: "));
  EXPECT_THAT(refused.message(), HasSubstr("Set turn.interval_max to 4s or less, or "
                                           "transaction.timeout.ms to 60000 or more"));
}

}  // namespace
}  // namespace weir
