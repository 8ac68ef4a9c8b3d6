#include "kafka/client_settings.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "kafka/handles.h"
#include "text/words.h"

namespace weir {
namespace {

struct Reserved {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kSetElsewhere = "it follows from other settings of the deployment";
constexpr std::string_view kOnlyCommitted =
    "inputs are read with read_committed, or aborted records would be processed";
constexpr std::string_view kOffsetsWithOutputs =
    "offsets are committed in the transaction of the outputs, and nowhere else";
constexpr std::string_view kIdempotent =
    "the transactional producer needs its own value, or order and exactly-once are lost";
constexpr std::string_view kReports =
    "every record's delivery report is needed to know whether it was written";
constexpr std::string_view kEager = "hand-over of partitions is built on the eager range assignor";
constexpr std::string_view kNoCode = "it would run foreign code inside the process";
constexpr std::string_view kPartitioner =
    "partitions are chosen by murmur2 of the key, as Java's clients do";
constexpr std::string_view kTransactionAge =
    "it is derived from the limit on a transaction's age, which other deadlines rest on";
constexpr std::string_view kRecordBytes =
    "what a record may weigh is the topic's setting (max.message.bytes)";

constexpr std::array kReserved{
    Reserved{"bootstrap.servers", kSetElsewhere},
    Reserved{"metadata.broker.list", kSetElsewhere},
    Reserved{"client.id", kSetElsewhere},
    Reserved{"group.id", "it is the deployment's name and version"},
    Reserved{"group.instance.id", "it must be the lane's own, as its transactional id"},
    Reserved{"transactional.id", "it must be the lane's own: stable, unique among live processes"},
    Reserved{"isolation.level", kOnlyCommitted},
    Reserved{"enable.auto.commit", kOffsetsWithOutputs},
    Reserved{"auto.commit.enable", kOffsetsWithOutputs},
    Reserved{"auto.commit.interval.ms", kOffsetsWithOutputs},
    Reserved{"enable.auto.offset.store", kOffsetsWithOutputs},
    Reserved{"offset.store.method", kOffsetsWithOutputs},
    Reserved{"offset.store.path", kOffsetsWithOutputs},
    Reserved{"auto.offset.reset",
             "a missing offset is a person's decision (`start` for a new group), never a default"},
    Reserved{"partition.assignment.strategy", kEager},
    Reserved{"group.protocol.type", kEager},
    Reserved{"enable.partition.eof", "the runtime needs it to know when it has caught up"},
    Reserved{"enable.idempotence", kIdempotent},
    Reserved{"enable.gapless.guarantee", kIdempotent},
    Reserved{"acks", kIdempotent},
    Reserved{"request.required.acks", kIdempotent},
    Reserved{"max.in.flight", kIdempotent},
    Reserved{"max.in.flight.requests.per.connection", kIdempotent},
    Reserved{"retries", kIdempotent},
    Reserved{"message.send.max.retries", kIdempotent},
    Reserved{"queuing.strategy", kIdempotent},
    Reserved{"delivery.report.only.error", kReports},
    Reserved{"dr_cb", kReports},
    Reserved{"dr_msg_cb", kReports},
    Reserved{"produce.offset.report", kReports},
    Reserved{"partitioner", kPartitioner},
    Reserved{"msg_order_cmp", kPartitioner},
    Reserved{"transaction.timeout.ms", kTransactionAge},
    Reserved{"message.timeout.ms", kTransactionAge},
    Reserved{"delivery.timeout.ms", kTransactionAge},
    Reserved{"session.timeout.ms", kSetElsewhere},
    Reserved{"max.poll.interval.ms", kSetElsewhere},
    Reserved{"allow.auto.create.topics", "a topic that nobody created is a mistake"},
    Reserved{"check.crcs", "a record changed on its way must not be processed"},
    Reserved{"message.max.bytes", kRecordBytes},
    Reserved{"max.request.size", kRecordBytes},
    Reserved{"plugin.library.paths", kNoCode},
    Reserved{"interceptors", kNoCode},
    Reserved{"opaque", kNoCode},
    Reserved{"default_topic_conf", kNoCode},
};

// What Java's clients call otherwise, too far from librdkafka's name to be taken for a slip of it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNamesOfJava{{
    {"buffer.memory", "queue.buffering.max.kbytes"},
    {"fetch.max.wait.ms", "fetch.wait.max.ms"},
    {"receive.buffer.bytes", "socket.receive.buffer.bytes"},
    {"send.buffer.bytes", "socket.send.buffer.bytes"},
    {"ssl.keystore.certificate.chain", "ssl.certificate.pem"},
    {"ssl.keystore.key", "ssl.key.pem"},
    {"ssl.truststore.certificates", "ssl.ca.pem"},
}};

// All that the client knows, aliases and what has no default included: the first column of the
// table that it prints.
std::vector<std::string> known_names() {
  char* table = nullptr;
  std::size_t size = 0;
  FILE* const out = open_memstream(&table, &size);
  WEIR_ASSERT(out != nullptr);
  rd_kafka_conf_properties_show(out);
  std::fclose(out);
  const std::unique_ptr<char, decltype(&std::free)> owned(table, &std::free);
  std::vector<std::string> names;
  std::istringstream lines(std::string(table, size));
  for (std::string line; std::getline(lines, line);) {
    // A name is in small letters, unlike what stands above the table.
    if (!line.empty() && line.front() >= 'a' && line.front() <= 'z') {
      names.push_back(line.substr(0, line.find(' ')));
    }
  }
  return names;
}

Status unknown_property(std::string_view name) {
  const auto* const java = std::find_if(kNamesOfJava.begin(), kNamesOfJava.end(),
                                        [name](const auto& names) { return names.first == name; });
  return Status::stop(ExitCode::config,
                      fmt::format("librdkafka, Kafka's C client, has no property {}{}", name,
                                  java == kNamesOfJava.end()
                                      ? did_you_mean(name, known_names())
                                      : fmt::format("; librdkafka calls it {}", java->second)));
}

// The number that `text` is, all of it.
std::optional<double> number_of(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  return end != text.c_str() && *end == '\0' ? std::optional(number) : std::nullopt;
}

// librdkafka reads a number up to what is none ("5s" is 5), a leading 0 as octal, and lets what is
// too big for an int wrap around.
Status check_number(const rd_kafka_conf_t& conf, const std::string& name,
                    const std::string& value) {
  std::array<char, 512> buffer{};
  std::size_t size = buffer.size();
  if (rd_kafka_conf_get(&conf, name.c_str(), buffer.data(), &size) != RD_KAFKA_CONF_OK ||
      size > buffer.size()) {
    return Status::ok();  // without a value, or longer than any number
  }
  const std::string taken = buffer.data();
  const std::optional<double> number = number_of(taken);
  if (taken == value || !number || number == number_of(value)) {
    return Status::ok();
  }
  return Status::stop(ExitCode::config,
                      fmt::format("Kafka property {}: {} would be taken for {}: Kafka's properties "
                                  "take plain numbers, in the unit that their name or "
                                  "documentation says",
                                  name, quote(value), taken));
}

}  // namespace

Status check_property(std::string_view name, std::string_view value) {
  for (const Reserved& reserved : kReserved) {
    if (reserved.name == name) {
      return Status::stop(ExitCode::config,
                          fmt::format("Kafka property {} can't be set: {}", name, reserved.why));
    }
  }
  if (name.ends_with("_cb")) {
    return Status::stop(ExitCode::config,
                        fmt::format("Kafka property {} can't be set: {}", name, kNoCode));
  }
  const ConfPtr conf(rd_kafka_conf_new());
  std::array<char, 512> why{};
  const std::string set_name(name);
  const std::string set_value(value);
  const rd_kafka_conf_res_t taken =
      rd_kafka_conf_set(conf.get(), set_name.c_str(), set_value.c_str(), why.data(), why.size());
  if (taken == RD_KAFKA_CONF_UNKNOWN) {
    return unknown_property(name);
  }
  if (taken != RD_KAFKA_CONF_OK) {
    return Status::stop(ExitCode::config, fmt::format("Kafka property {}: {}", name, why.data()));
  }
  return check_number(*conf, set_name, set_value);
}

Status check_bootstrap(std::string_view servers) {
  return servers.find("://") == std::string_view::npos
             ? Status::ok()
             : Status::stop(ExitCode::config,
                            fmt::format("{} is no list of brokers: write HOST:PORT, several joined "
                                        "by commas, with nothing before the host",
                                        quote(servers)));
}

}  // namespace weir
