// Tests against librdkafka's mock cluster, for answers that a real broker gives too seldom to wait
// for. It has no isolation, no markers, no fencing: no evidence of what a transaction shows.
#pragma once

#include <cstdint>
#include <memory>

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "kafka/broker_case.h"
#include "kafka/handles.h"

namespace weir {

// `cluster` is the mock, with one topic. It has no DescribeConfigs, so no KafkaSink with outputs
// opens.
class MockCase : public BrokerCase {
 protected:
  static constexpr const char* kTopic = "t.input";

  void SetUp() override {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", nullptr, 0);
    client.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    mock_ = rd_kafka_handle_mock_cluster(client.get());
    cluster.bootstrap = rd_kafka_mock_cluster_bootstraps(mock_);
    ASSERT_EQ(rd_kafka_mock_topic_create(mock_, kTopic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  // The next requests of this kind, its key in Kafka's protocol, are answered so, one after the
  // other; by ERR__TRANSPORT: the connection is cut.
  template <class... Errors>
  void answer_next(std::int16_t request, Errors... errors) {
    rd_kafka_mock_push_request_errors(mock_, request, sizeof...(errors), errors...);
  }

  std::unique_ptr<rd_kafka_t, Destroyer<rd_kafka_destroy>> client;

 private:
  rd_kafka_mock_cluster_t* mock_ = nullptr;  // the client's
};

}  // namespace weir
