#include <gmock/gmock.h>

#include "kafka/admin.h"
#include "kafka/broker_case.h"
#include "kafka/producer.h"
#include "kafka/reader.h"
#include "loop/partitioner.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class KafkaReaderTest : public BrokerCase {
 protected:
  std::vector<Seen> tap(const std::string& topic, ReadFrom from) {
    KafkaReader reader(cluster, topic);
    ok(until_done([&] { return reader.open(from); }));
    std::vector<Seen> seen;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!reader.has_reached_end() && std::chrono::steady_clock::now() < deadline) {
      const Result<Batch> batch = reader.poll(std::chrono::milliseconds(500), 100);
      EXPECT_TRUE(batch.is_ok()) << batch.status().message();
      copy(batch.value(), seen);
    }
    EXPECT_TRUE(reader.has_reached_end());
    return seen;
  }
};

TEST_F(KafkaReaderTest, ReadsFromWhereItIsTold) {
  const std::string name = topic("read");
  fill(name, 5);  // offsets 0 to 4, stamped 0 to 4 ms past a round time; a control record at 5
  using Kind = ReadFrom::Kind;
  // A commit is answered before its markers are written: until then readers don't see it.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (tap(name, {}).size() < 5 && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_THAT(values_of(tap(name, {})), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_THAT(values_of(tap(name, {Kind::offset, 3})), ElementsAre("3", "4"));
  EXPECT_THAT(values_of(tap(name, {Kind::offset, -7})), SizeIs(5));
  EXPECT_THAT(values_of(tap(name, {Kind::offset, 700})), IsEmpty());
  EXPECT_THAT(values_of(tap(name, {Kind::latest})), IsEmpty());
  EXPECT_THAT(values_of(tap(name, {Kind::timestamp, 1'700'000'000'000})), SizeIs(5));
  EXPECT_THAT(values_of(tap(name, {Kind::timestamp, 1'700'000'000'001})), IsEmpty());
}

TEST_F(KafkaReaderTest, WhatAnOpenTransactionHidesIsThereThoughItCannotBeRead) {
  const std::string name = topic("hidden");
  fill(name, 5);
  KafkaSink other(writing({name}));
  ok(until_done([&] { return other.open(); }));
  ok(other.begin());
  OutRecord record;
  record.timestamp = Timestamp(1'700'000'000'000);
  record.value = "x";
  ok(other.send(std::span(&record, 1)));
  ok(until_done([&] { return other.flush(); }));
  KafkaReader reader(cluster, name);
  ok(until_done([&] { return reader.open({}); }));
  const auto hidden = reader.hidden();
  ASSERT_TRUE(hidden.is_ok()) << hidden.status().message();
  ASSERT_THAT(hidden.value(), SizeIs(1));
  EXPECT_EQ(hidden.value()[0].from, NextOffset(6));
  EXPECT_EQ(hidden.value()[0].end, NextOffset(7));
  ok(until_done([&] { return other.abort(); }));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!reader.hidden().value().empty() && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_THAT(reader.hidden().value(), IsEmpty());
}

TEST_F(KafkaReaderTest, AMissingTopicStops) {
  KafkaReader reader(cluster, prefix + ".nowhere");
  const Status failure = until_done([&] { return reader.open({}); });
  ASSERT_FALSE(failure.is_ok());
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
}

class KafkaProducerTest : public KafkaReaderTest {};

TEST_F(KafkaProducerTest, RecordsArriveInOrderOnThePartitionOfTheirKey) {
  const std::string name = topic("written", 3);
  KafkaProducer producer({.cluster = cluster, .topic = name});
  ok(until_done([&] { return producer.open(); }));
  constexpr int kCount = 5000;
  for (int i = 0; i < kCount; ++i) {
    const std::string key = std::to_string(i % 10);
    const std::string value = std::to_string(i);
    ok(until_done([&] { return producer.send(key, value); }));
  }
  EXPECT_EQ(producer.sent(), kCount);
  ok(until_done([&] { return producer.flush(); }));
  EXPECT_EQ(producer.settled(), kCount);
  EXPECT_THAT(producer.take_refused(), IsEmpty());
  const std::vector<Seen> seen = tap(name, {});
  ASSERT_THAT(seen, SizeIs(kCount));
  std::map<std::string, int> last;
  for (const Seen& one : seen) {
    EXPECT_EQ(one.where.partition, partition_of(one.key, 3));
    const int value = std::stoi(one.value);
    EXPECT_TRUE(!last.contains(one.key) || last[one.key] < value);
    last[one.key] = value;
  }
}

TEST_F(KafkaProducerTest, ARecordThatIsRefusedIsNamedAndTheOthersAreWritten) {
  const std::string name = topic("written", 1, {{"max.message.bytes", "20000"}});
  KafkaProducer producer({.cluster = cluster, .topic = name});
  ok(until_done([&] { return producer.open(); }));
  std::string large(40'000, '\0');
  std::minstd_rand random(1);
  for (char& c : large) {
    c = static_cast<char>(random());
  }
  for (int i = 0; i < 30; ++i) {
    ok(until_done([&] { return producer.send("k", i == 20 ? large : std::to_string(i)); }));
  }
  ok(until_done([&] { return producer.flush(); }));
  const auto refused = producer.take_refused();
  ASSERT_THAT(refused, SizeIs(1));
  EXPECT_EQ(refused[0].number, 20U);
  EXPECT_EQ(producer.settled(), 30U);
  EXPECT_THAT(tap(name, {}), SizeIs(29));
}

// Each record was refused on its own account, and a follower used its file up.
TEST_F(KafkaProducerTest, ADeletedTopicEndsItAndSettlesNothingMore) {
  const std::string name = topic("written", 1);
  KafkaProducer producer({.cluster = cluster, .topic = name});
  ok(until_done([&] { return producer.open(); }));
  ok(until_done([&] { return producer.send("k", "1"); }));
  ok(until_done([&] { return producer.flush(); }));
  ok(until_done([&] { return KafkaAdmin(cluster).remove(name); }));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Status end = producer.send("k", "2");
  while ((end.is_ok() || end.remedy() == Remedy::retry) &&
         std::chrono::steady_clock::now() < deadline) {
    end = producer.flush();
    end = end.is_ok() ? producer.send("k", "2") : end;
  }
  ASSERT_FALSE(end.is_ok());
  EXPECT_EQ(end.exit_code(), ExitCode::config);
  EXPECT_THAT(end.message(), HasSubstr("there is no topic " + name + " any more"));
  EXPECT_THAT(producer.take_refused(), IsEmpty());
  EXPECT_LT(producer.settled(), producer.sent());
}

TEST_F(KafkaProducerTest, NothingIsSettledThatIsNotAcknowledged) {
  ClusterSettings nowhere = cluster;
  nowhere.bootstrap = "127.0.0.1:1";
  KafkaProducer producer({.cluster = nowhere, .topic = "x"});
  EXPECT_EQ(producer.open().remedy(), Remedy::retry);
  EXPECT_EQ(producer.settled(), 0U);
}

}  // namespace
}  // namespace weir
