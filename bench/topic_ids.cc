// The oracle of a measured run: reads a topic as a read_committed reader does and compares field 1
// of its messages, a string, with the lines of a file.
//
//   topic_ids BOOTSTRAP TOPIC IDS once|each [SAVED]
//
// once: each distinct line must have come exactly once; each: as often as it is in the file. An id
// counts with as many bytes as the file's first line has. Prints one JSON object; exit status 0, or
// 65 when something is lost, doubled or from nowhere. SAVED gets the first 2,000 messages
// (payloads.h).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include "bench/payloads.h"

namespace {

constexpr std::size_t kSaved = 2000;

[[noreturn]] void fail(std::string_view why) {
  fmt::print(stderr, "topic_ids: {}\n", why);
  std::exit(1);
}

std::string_view first_field(std::string_view message) {
  const std::size_t size = message.size() < 2 ? 0 : static_cast<std::uint8_t>(message[1]);
  return message.size() < 2 + size || message[0] != '\x0a' ? "" : message.substr(2, size);
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) {
    fail("usage: topic_ids BOOTSTRAP TOPIC IDS once|each [SAVED]");
  }
  std::unordered_map<std::string, std::int64_t> missing;  // how often it must still come
  std::ifstream ids(arguments[3]);
  std::size_t id_bytes = std::string::npos;
  const bool is_once = std::string_view(arguments[4]) == "once";
  for (std::string line; std::getline(ids, line);) {
    id_bytes = id_bytes == std::string::npos ? line.size() : id_bytes;
    std::int64_t& wanted = missing[std::move(line)];
    wanted = is_once ? 1 : wanted + 1;
  }
  std::ofstream saved(count > 5 ? arguments[5] : "/dev/null", std::ios::binary);

  char why[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] :
       {std::pair<const char*, const char*>{"bootstrap.servers", arguments[1]},
        {"group.id", "none"},
        {"isolation.level", "read_committed"},
        {"enable.auto.commit", "false"},
        {"enable.partition.eof", "true"}}) {
    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK) {
      fail(why);
    }
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
  rd_kafka_poll_set_consumer(consumer);
  rd_kafka_topic_partition_list_t* partitions = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(partitions, arguments[2], 0)->offset =
      RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_assign(consumer, partitions);
  rd_kafka_topic_partition_list_destroy(partitions);

  std::size_t records = 0;
  std::uint64_t bytes = 0;
  std::int64_t doubled = 0;
  std::int64_t foreign = 0;
  for (bool is_at_end = false; !is_at_end;) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 1000);
    if (message == nullptr) {
      continue;
    }
    const bool is_eof = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    if (!is_eof && message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      fail(rd_kafka_message_errstr(message));
    }
    if (is_eof) {
      // The last transaction's offsets may be seen before its outputs are: those lie behind this.
      std::int64_t low = 0;
      std::int64_t high = 0;
      rd_kafka_get_watermark_offsets(consumer, arguments[2], 0, &low, &high);
      is_at_end = message->offset >= high;
    } else {
      const std::string_view value(static_cast<const char*>(message->payload), message->len);
      if (records++ < kSaved) {
        bench::write_payload(saved, value);
      }
      bytes += value.size();
      const auto found = missing.find(std::string(first_field(value).substr(0, id_bytes)));
      if (found == missing.end()) {
        ++foreign;
      } else if (--found->second < 0) {
        ++doubled;
      }
    }
    rd_kafka_message_destroy(message);
  }
  std::int64_t lost = 0;
  for (const auto& [id, left] : missing) {
    lost += left > 0 ? left : 0;
  }
  fmt::print(R"({{"records": {}, "bytes": {}, "lost": {}, "doubled": {}, "foreign": {}}})"
             "\n",
             records, bytes, lost, doubled, foreign);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  return lost + doubled + foreign == 0 ? 0 : 65;
}
