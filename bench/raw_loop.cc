// The least that a transactional stage can do: librdkafka and nothing else. Reads a topic message
// by message, produces a ready payload for each, and commits outputs and offsets in transactions,
// with the client settings and the turns of runtime/kafka and runtime/loop. What weir costs is
// measured against it (bench/stage.py).
//
//   raw_loop BOOTSTRAP INPUT OUTPUT GROUP PAYLOADS
//
// PAYLOADS as topic_ids saves them. The payload's field 1, a string of 16 bytes or more at its very
// beginning, gets the record's offset in hexadecimal digits, so that the output can be checked.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "bench/payloads.h"

namespace {

using std::chrono::steady_clock;

constexpr std::size_t kTurnRecordsMax = 50'000;
constexpr std::chrono::milliseconds kTurnIntervalMax{100};
constexpr std::size_t kReportsServedEvery = 500;
constexpr int kWaitMs = 30'000;

[[noreturn]] void fail(std::string_view doing, std::string_view why) {
  fmt::print(stderr, "raw_loop: {}: {}\n", doing, why);
  std::exit(1);
}

void require(rd_kafka_error_t* error, std::string_view doing) {
  if (error != nullptr) {
    fail(doing, rd_kafka_error_string(error));
  }
}

void require(rd_kafka_resp_err_t code, std::string_view doing) {
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(doing, rd_kafka_err2str(code));
  }
}

std::size_t acknowledged = 0;

rd_kafka_t* client(rd_kafka_type_t type,
                   std::initializer_list<std::pair<const char*, std::string>> settings) {
  char why[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof(why)) != RD_KAFKA_CONF_OK) {
      fail(name, why);
    }
  }
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set_dr_msg_cb(
        conf, [](rd_kafka_t* /*client*/, const rd_kafka_message_t* message, void* /*opaque*/) {
          require(message->err, "writing");
          ++acknowledged;
        });
  }
  rd_kafka_t* made = rd_kafka_new(type, conf, why, sizeof(why));
  return made != nullptr ? made : (fail("client", why), nullptr);
}

class RawLoop {
 public:
  explicit RawLoop(char** arguments)
      : input_(arguments[2]), payloads_(bench::read_payloads(arguments[5])) {
    const std::string bootstrap = arguments[1];
    const std::string group = arguments[4];
    consumer_ = client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", bootstrap},
                                           {"socket.nagle.disable", "true"},
                                           {"fetch.wait.max.ms", "100"},
                                           {"queued.max.messages.kbytes", "32768"},
                                           {"group.id", group},
                                           {"group.instance.id", group},
                                           {"isolation.level", "read_committed"},
                                           {"enable.auto.commit", "false"},
                                           {"enable.auto.offset.store", "false"},
                                           {"auto.offset.reset", "earliest"},
                                           {"partition.assignment.strategy", "range"},
                                           {"enable.partition.eof", "true"},
                                           {"check.crcs", "true"}});
    producer_ = client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap},
                                           {"socket.nagle.disable", "true"},
                                           {"compression.codec", "lz4"},
                                           {"linger.ms", "5"},
                                           {"queue.buffering.max.messages", "200000"},
                                           {"queue.buffering.max.kbytes", "262144"},
                                           {"transactional.id", group},
                                           {"transaction.timeout.ms", "30000"},
                                           {"message.timeout.ms", "30000"},
                                           {"partitioner", "murmur2_random"},
                                           {"message.max.bytes", "100000000"},
                                           {"batch.size", "1000000"}});
    rd_kafka_poll_set_consumer(consumer_);
    require(rd_kafka_init_transactions(producer_, kWaitMs), "init_transactions");
    output_ = rd_kafka_topic_new(producer_, arguments[3], nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    require(rd_kafka_metadata(producer_, 0, output_, &metadata, kWaitMs), "metadata");
    rd_kafka_metadata_destroy(metadata);
  }

  // To the end of the input, which has one partition.
  std::size_t run() {
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, input_.c_str(), RD_KAFKA_PARTITION_UA);
    require(rd_kafka_subscribe(consumer_, topics), "subscribing");
    rd_kafka_topic_partition_list_destroy(topics);
    for (bool is_at_end = false; !is_at_end;) {
      rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_, 50);
      if (message != nullptr) {
        is_at_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (!is_at_end) {
          require(message->err, "reading");
          pass_on(*message);
        }
        rd_kafka_message_destroy(message);
      }
      if (in_turn_ > 0 && (is_at_end || in_turn_ == kTurnRecordsMax ||
                           steady_clock::now() - turn_began_ >= kTurnIntervalMax)) {
        commit();
      }
    }
    rd_kafka_consumer_close(consumer_);
    rd_kafka_topic_destroy(output_);
    rd_kafka_destroy(consumer_);
    rd_kafka_destroy(producer_);
    return done_;
  }

 private:
  void pass_on(const rd_kafka_message_t& message) {
    if (in_turn_++ == 0) {
      require(rd_kafka_begin_transaction(producer_), "begin_transaction");
      turn_began_ = steady_clock::now();
    }
    std::string& payload = payloads_[done_++ % payloads_.size()];
    static constexpr std::string_view kDigits = "0123456789abcdef";
    auto rest = static_cast<std::uint64_t>(message.offset);
    for (std::size_t i = 16; i-- > 0; rest >>= 4) {
      payload[2 + i] = kDigits[rest & 15];
    }
    rd_kafka_timestamp_type_t type{};
    for (;;) {
      const rd_kafka_resp_err_t code =
          rd_kafka_producev(producer_, RD_KAFKA_VTYPE_RKT, output_, RD_KAFKA_VTYPE_PARTITION,
                            message.partition, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY,
                            RD_KAFKA_VTYPE_KEY, message.key, message.key_len, RD_KAFKA_VTYPE_VALUE,
                            payload.data(), payload.size(), RD_KAFKA_VTYPE_TIMESTAMP,
                            rd_kafka_message_timestamp(&message, &type), RD_KAFKA_VTYPE_END);
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        require(code, "producing");
        break;
      }
      rd_kafka_poll(producer_, 10);
    }
    if (in_turn_ % kReportsServedEvery == 0) {
      rd_kafka_poll(producer_, 0);
    }
    next_ = message.offset + 1;
  }

  void commit() {
    while (acknowledged < done_) {
      rd_kafka_flush(producer_, 20);
    }
    rd_kafka_topic_partition_list_t* offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, input_.c_str(), 0)->offset = next_;
    rd_kafka_consumer_group_metadata_t* group = rd_kafka_consumer_group_metadata(consumer_);
    require(rd_kafka_send_offsets_to_transaction(producer_, offsets, group, kWaitMs),
            "sending offsets");
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(offsets);
    require(rd_kafka_commit_transaction(producer_, kWaitMs), "committing");
    in_turn_ = 0;
  }

  std::string input_;
  std::vector<std::string> payloads_;
  rd_kafka_t* consumer_ = nullptr;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_topic_t* output_ = nullptr;
  std::size_t done_ = 0;
  std::size_t in_turn_ = 0;
  std::int64_t next_ = 0;
  steady_clock::time_point turn_began_;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    fail("usage", "raw_loop BOOTSTRAP INPUT OUTPUT GROUP PAYLOADS");
  }
  fmt::print("{}\n", RawLoop(arguments).run());
}
