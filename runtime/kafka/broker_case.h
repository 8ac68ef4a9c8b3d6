// Tests against a real broker: topics, groups and ids of their own, nothing shared.
#pragma once

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kafka/admin.h"
#include "kafka/sink.h"
#include "kafka/source.h"

namespace weir {

// WEIR_BOOTSTRAP, or the broker of this test run, whose directory is in WEIR_KAFKA_DIR.
inline std::string broker_address() {
  if (const char* given = std::getenv("WEIR_BOOTSTRAP"); given != nullptr && *given != '\0') {
    return given;
  }
  if (std::getenv("WEIR_KAFKA_DIR") == nullptr) {
    return {};
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen("ops/kafka start", "r"), pclose);
  std::array<char, 256> line{};
  while (pipe && std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
    std::string_view text(line.data());
    constexpr std::string_view kName = "bootstrap=";
    if (text.starts_with(kName)) {
      text.remove_prefix(kName.size());
      return std::string(text.substr(0, text.find_first_of(" \n")));
    }
  }
  return {};
}

// Reads every partition from where it is told; remembers what it was told.
struct ScriptedListener final : AssignmentListener {
  std::function<Result<std::vector<Position>>(std::span<const InputPartition>)> on_assigned;
  std::function<void(bool)> on_revoked = [](bool) {};
  std::vector<InputPartition> owned;
  int assignments = 0;
  int revocations = 0;

  Result<std::vector<Position>> assigned(std::span<const InputPartition> partitions) override {
    ++assignments;
    owned.assign(partitions.begin(), partitions.end());
    if (on_assigned) {
      return on_assigned(partitions);
    }
    std::vector<Position> positions;
    for (const InputPartition& where : partitions) {
      positions.push_back({where, NextOffset(0)});
    }
    return positions;
  }

  void revoked(bool lost) override {
    ++revocations;
    on_revoked(lost);
    owned.clear();
  }
};

// A record as a test sees it, copied out of its batch.
struct Seen {
  InputPartition where;
  std::int64_t offset = 0;
  std::string key;
  std::string value;
  std::int64_t timestamp = 0;
  std::vector<std::pair<std::string, std::string>> headers;
};

class BrokerCase : public testing::Test {
 protected:
  void SetUp() override {
    cluster.bootstrap = broker_address();
    if (cluster.bootstrap.empty()) {
      GTEST_SKIP() << "no broker: set WEIR_BOOTSTRAP, or run by ops/test";
    }
    admin = std::make_unique<KafkaAdmin>(cluster);
    std::random_device random;
    prefix = fmt::format("t{:08x}", random());
  }

  // It keeps what it holds: the records of tests are years old, and a broker looks every few
  // minutes for what is past its retention.
  std::string topic(std::string_view name, std::int32_t partitions = 1,
                    std::map<std::string, std::string> configs = {}) {
    configs.try_emplace("retention.ms", "-1");
    NewTopic made{fmt::format("{}.{}", prefix, name), partitions, 1, std::move(configs)};
    const Status created = admin->create(std::span(&made, 1));
    EXPECT_TRUE(created.is_ok()) << created.message();
    return made.name;
  }

  std::string group() const { return prefix + ".group"; }

  SourceSettings reading(std::vector<std::string> topics) const {
    SourceSettings settings;
    settings.cluster = cluster;
    settings.group = group();
    settings.inputs = std::move(topics);
    settings.session_silence_max = std::chrono::milliseconds(6000);
    return settings;
  }

  SinkSettings writing(std::vector<std::string> topics, std::string id = "writer") const {
    SinkSettings settings;
    settings.cluster = cluster;
    settings.group = group();
    settings.transactional_id = fmt::format("{}.{}", prefix, id);
    settings.outputs = std::move(topics);
    settings.inputs = {prefix + ".input"};
    settings.transaction_age_max = std::chrono::milliseconds(10'000);
    return settings;
  }

  // Repeats `call` while it says retry.
  template <class Call>
  static auto until_done(Call call) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      auto result = call();
      const auto& status = status_of(result);
      if (status.is_ok() || status.remedy() != Remedy::retry ||
          std::chrono::steady_clock::now() > deadline) {
        return result;
      }
    }
  }

  static const Status& status_of(const Status& status) { return status; }

  template <class T>
  static const Status& status_of(const Result<T>& result) {
    static const Status ok_status;
    return result.is_ok() ? ok_status : result.status();
  }

  static OutRecord record(std::string_view key, std::string_view value, std::int64_t offset = 0) {
    OutRecord out;
    out.output = OutputIndex(0);
    out.partition = Partition(0);
    out.timestamp = Timestamp(1'700'000'000'000 + offset);
    out.key = key;
    out.value = value;
    out.origin = {{InputIndex(0), Partition(0)}, Offset(offset)};
    return out;
  }

  static void ok(const Status& status) { ASSERT_TRUE(status.is_ok()) << status.message(); }

  enum class Ending { commit, abort };

  // In one transaction that ends so.
  void write_records(const std::string& topic, std::span<const OutRecord> records,
                     Ending ending = Ending::commit) {
    KafkaSink sink(writing({topic}, "writer"));
    ok(until_done([&] { return sink.open(); }));
    ok(sink.begin());
    ok(sink.send(records));
    ok(until_done([&] { return sink.flush(); }));
    ok(until_done([&] { return ending == Ending::commit ? sink.commit() : sink.abort(); }));
    wait_until_seen(topic, "writer");
  }

  // `count` records "0", "1", … in one transaction each of `per_transaction`.
  void fill(const std::string& topic, int count, int per_transaction = 1'000'000,
            std::int32_t partition = 0) {
    KafkaSink sink(writing({topic}, "filler"));
    ok(until_done([&] { return sink.open(); }));
    for (int i = 0; i < count;) {
      ok(sink.begin());
      std::vector<std::string> values;
      std::vector<OutRecord> records;
      for (int n = 0; n < per_transaction && i < count; ++n, ++i) {
        values.push_back(std::to_string(i));
      }
      for (const std::string& value : values) {
        records.push_back(record("k", value));
        records.back().partition = Partition(partition);
      }
      ok(sink.send(records));
      ok(until_done([&] { return sink.flush(); }));
      ok(until_done([&] { return sink.commit(); }));
    }
    wait_until_seen(topic, "filler");
  }

  // What `writer` ended: that is answered before readers see it, and the next one is let in after.
  void wait_until_seen(const std::string& topic, const std::string& writer) {
    KafkaSink next(writing({topic}, writer));
    ok(until_done([&] { return next.open(); }));
  }

  static void copy(const Batch& batch, std::vector<Seen>& seen) {
    for (const RawRecord& r : batch.records) {
      Seen& one = seen.emplace_back();
      one.where = r.where;
      one.offset = r.offset.value();
      one.key = r.key.value_or("");
      one.value = r.value.value_or("");
      one.timestamp = r.timestamp.value();
      for (const Header& h : r.headers) {
        one.headers.emplace_back(h.name, h.value.value_or("(null)"));
      }
    }
  }

  // Polls until `is_done`, which sees each batch after it was added to `seen`.
  static Status poll_until(KafkaSource& source, std::vector<Seen>& seen,
                           const std::function<bool(const Batch&)>& is_done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < deadline) {
      const Result<Batch> batch = source.poll(std::chrono::milliseconds(100), 500);
      if (!batch.is_ok()) {
        if (batch.status().remedy() == Remedy::retry) {
          continue;
        }
        return batch.status();
      }
      copy(batch.value(), seen);
      if (is_done(batch.value())) {
        return Status::ok();
      }
    }
    return Status::stop(ExitCode::failed, "the test waited for 60 s");
  }

  // All committed records of a topic, and where it ends.
  std::vector<Seen> read_all(const std::string& topic, NextOffset* end = nullptr) {
    SourceSettings settings = reading({topic});
    settings.group = prefix + ".reader";
    KafkaSource source(settings);
    ScriptedListener listener;
    std::vector<Seen> seen;
    ok(source.open(listener));
    std::map<InputPartition, NextOffset> ends;
    const Status done = poll_until(source, seen, [&](const Batch& batch) {
      for (const Position& position : batch.ends) {
        ends[position.where] = position.next;
      }
      return !listener.owned.empty() && ends.size() == listener.owned.size();
    });
    EXPECT_TRUE(done.is_ok()) << done.message();
    if (end != nullptr && !ends.empty()) {
      *end = ends.begin()->second;
    }
    source.close();
    return seen;
  }

  static std::vector<std::string> values_of(const std::vector<Seen>& seen) {
    std::vector<std::string> values;
    for (const Seen& one : seen) {
      values.push_back(one.value);
    }
    return values;
  }

 public:
  ClusterSettings cluster;
  std::unique_ptr<KafkaAdmin> admin;
  std::string prefix;
};

}  // namespace weir
