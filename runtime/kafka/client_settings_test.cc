#include "kafka/client_settings.h"

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

TEST(CheckProperty, TellsLibrdkafkasNameOfWhatJavasClientsCallOtherwise) {
  EXPECT_EQ(check_property("buffer.memory", "1").message(),
            "there is no Kafka property buffer.memory; librdkafka calls it "
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
