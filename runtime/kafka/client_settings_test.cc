#include "kafka/client_settings.h"

#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(CheckProperty, TakesWhatTheClientTakes) {
  EXPECT_TRUE(check_property("compression.codec", "zstd").is_ok());
  EXPECT_TRUE(check_property("linger.ms", "20").is_ok());
  EXPECT_TRUE(check_property("security.protocol", "ssl").is_ok());
  EXPECT_TRUE(check_property("sasl.username", "weir").is_ok());
}

TEST(CheckProperty, RefusesWhatTheClientDoesNotKnow) {
  const Status failure = check_property("linger", "20");
  ASSERT_FALSE(failure.is_ok());
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_THAT(failure.message(), HasSubstr("linger"));
  EXPECT_THAT(check_property("socket.timeout", "20").message(),
              HasSubstr("; did you mean \"socket.timeout.ms\"?"));
  EXPECT_THAT(check_property("bootstrap.server", "a:1").message(),
              HasSubstr("; did you mean \"bootstrap.servers\"?"));
  EXPECT_THAT(check_property("compresion.type", "lz4").message(),
              HasSubstr("; did you mean \"compression.type\"?"))
      << "an alias";
  EXPECT_THAT(check_property("ssl.ca.locaton", "ca.pem").message(),
              HasSubstr("; did you mean \"ssl.ca.location\"?"))
      << "without a default";
  EXPECT_THAT(check_property("compression.codec", "brotli").message(), HasSubstr("brotli"));
  EXPECT_FALSE(check_property("linger.ms", "soon").is_ok());
}

TEST(CheckProperty, RefusesANumberThatTheClientWouldTakeForAnother) {
  const Status failure = check_property("linger.ms", "5s");
  ASSERT_FALSE(failure.is_ok());
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_EQ(failure.message(),
            "Kafka property linger.ms: \"5s\" would be taken for 5: Kafka's properties take plain "
            "numbers, in the unit that their name or documentation says");
  const std::tuple<const char*, const char*, const char*> refused[] = {
      {"reconnect.backoff.max.ms", "10s", "10"}, {"fetch.message.max.bytes", "8MB", "8"},
      {"max.partition.fetch.bytes", "8MB", "8"},  // an alias
      {"compression.level", "5.5", "5"},          // the default topic's
      {"fetch.min.bytes", "1e3", "1"},           {"fetch.min.bytes", "1_000", "1"},
      {"fetch.min.bytes", "010", "8"},           {"fetch.min.bytes", "4294967297", "1"},
  };
  for (const auto& [name, value, taken] : refused) {
    EXPECT_THAT(check_property(name, value).message(),
                HasSubstr(fmt::format("\"{}\" would be taken for {}: ", value, taken)))
        << name;
  }
  const std::pair<const char*, const char*> fine[] = {
      {"linger.ms", "5"},
      {"linger.ms", "0.5"},
      {"linger.ms", "5.0"},
      {"linger.ms", "1e3"},
      {"linger.ms", "900000"},
      {"fetch.min.bytes", "0x10"},
      {"fetch.error.backoff.ms", "0"},
      {"compression.level", "-1"},
      {"sasl.password", "5s"},
      {"sasl.password", "007"},
      {"debug", "all"},
      {"log_level", "7"},
      {"socket.keepalive.enable", "true"},
      {"fetch.max.bytes", "2147483135"},
      {"ssl.key.password", ""},
      {"compression.type", "lz4"},
  };
  for (const auto& [name, value] : fine) {
    EXPECT_TRUE(check_property(name, value).is_ok()) << name << " = " << value;
  }
}

TEST(CheckProperty, TellsLibrdkafkasNameOfWhatJavasClientsCallOtherwise) {
  EXPECT_EQ(check_property("buffer.memory", "1").message(),
            "librdkafka, Kafka's C client, has no property buffer.memory; librdkafka calls it "
            "queue.buffering.max.kbytes");
  for (const char* java :
       {"buffer.memory", "fetch.max.wait.ms", "receive.buffer.bytes", "send.buffer.bytes",
        "ssl.keystore.certificate.chain", "ssl.keystore.key", "ssl.truststore.certificates"}) {
    const std::string said = check_property(java, "1").message();
    const std::string_view calls_it = "; librdkafka calls it ";
    const std::size_t found = said.find(calls_it);
    ASSERT_NE(found, std::string::npos) << said;
    EXPECT_TRUE(check_property(said.substr(found + calls_it.size()), "4096").is_ok()) << said;
  }
}

TEST(CheckBootstrap, RefusesAUrl) {
  EXPECT_TRUE(check_bootstrap("a").is_ok());
  EXPECT_TRUE(check_bootstrap("a:9092,[::1]:9092").is_ok());
  const Status failure = check_bootstrap("a:1,http://b:9092");
  ASSERT_FALSE(failure.is_ok());
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_THAT(failure.message(), HasSubstr("\"a:1,http://b:9092\" is no list of brokers"));
}

TEST(CheckProperty, RefusesWhatWouldBreakExactlyOnceAndSaysWhy) {
  const std::pair<const char*, const char*> refused[] = {
      {"isolation.level", "read_uncommitted"},
      {"enable.auto.commit", "true"},
      {"enable.auto.offset.store", "true"},
      {"auto.offset.reset", "earliest"},
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"group.id", "mine"},
      {"group.instance.id", "mine"},
      {"transactional.id", "mine"},
      {"transaction.timeout.ms", "900000"},
      {"message.timeout.ms", "1"},
      {"enable.idempotence", "false"},
      {"acks", "1"},
      {"request.required.acks", "1"},
      {"max.in.flight", "1000"},
      {"max.in.flight.requests.per.connection", "1000"},
      {"retries", "0"},
      {"delivery.report.only.error", "true"},
      {"partitioner", "random"},
      {"message.max.bytes", "1000"},
      {"max.request.size", "1000"},
      {"plugin.library.paths", "evil.so"},
      {"dr_msg_cb", "x"},
      {"rebalance_cb", "x"},
      {"bootstrap.servers", "elsewhere:9092"},
  };
  for (const auto& [name, value] : refused) {
    const Status failure = check_property(name, value);
    ASSERT_FALSE(failure.is_ok()) << name;
    EXPECT_EQ(failure.exit_code(), ExitCode::config) << name;
    EXPECT_THAT(failure.message(), HasSubstr(std::string(name) + " can't be set: "));
  }
}

}  // namespace
}  // namespace weir
