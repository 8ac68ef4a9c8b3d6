#include <gmock/gmock.h>
#include <librdkafka/rdkafka.h>

#include "kafka/broker_case.h"
#include "kafka/client.h"
#include "kafka/reader.h"
#include "kafka/record_weight.h"
#include "kafka/sink.h"
#include "loop/partitioner.h"

namespace weir {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::array<std::string_view, 8> kKeys{"a", "b", "c", "d", "e", "f", "g", "h"};

class KafkaSinkTest : public BrokerCase {
 protected:
  // A member of the group that owns partition 0 of `input`.
  struct Member {
    explicit Member(SourceSettings settings) : source(std::move(settings)) {}

    ScriptedListener listener;
    KafkaSource source;
  };

  std::unique_ptr<Member> join(const std::string& input) {
    auto member = std::make_unique<Member>(reading({input}));
    ok(member->source.open(member->listener));
    std::vector<Seen> seen;
    ok(poll_until(member->source, seen,
                  [&](const Batch&) { return !member->listener.owned.empty(); }));
    return member;
  }

  // lz4 would make others small enough.
  static std::string incompressible(std::size_t bytes) {
    std::string text(bytes, '\0');
    std::minstd_rand random(1);
    for (char& c : text) {
      c = static_cast<char>(random());
    }
    return text;
  }

  void add_partitions(const std::string& topic, std::size_t count) {
    const Result<std::unique_ptr<Client>> made = Client::make(RD_KAFKA_PRODUCER, cluster, {});
    ASSERT_TRUE(made.is_ok()) << made.status().message();
    rd_kafka_t* client = made.value()->get();
    rd_kafka_NewPartitions_t* more = rd_kafka_NewPartitions_new(topic.c_str(), count, nullptr, 0);
    rd_kafka_queue_t* answers = rd_kafka_queue_new(client);
    rd_kafka_CreatePartitions(client, &more, 1, nullptr, answers);
    rd_kafka_event_destroy(rd_kafka_queue_poll(answers, 10'000));
    rd_kafka_queue_destroy(answers);
    rd_kafka_NewPartitions_destroy(more);
    const auto has_changed = [&]() -> Status {
      WEIR_TRY_ASSIGN(const auto found, admin->describe(topic));
      return found && found->partitions == static_cast<std::int32_t>(count)
                 ? Status::ok()
                 : Status::retry("not yet");
    };
    ok(until_done(has_changed));
  }

  static std::int32_t partitions_said(KafkaSink& sink) {
    const auto identity = until_done([&] { return sink.identity(OutputIndex(0)); });
    EXPECT_TRUE(identity.is_ok()) << identity.status().message();
    return identity.value().partitions;
  }

  // One record for each of some keys, in one transaction.
  static Status send_by_key(KafkaSink& sink) {
    std::vector<OutRecord> records;
    for (const std::string_view key : kKeys) {
      records.push_back(record(key, "v"));
      records.back().partition = kPartitionByKey;
    }
    WEIR_TRY(sink.begin());
    WEIR_TRY(sink.send(records));
    WEIR_TRY(until_done([&] { return sink.flush(); }));
    return until_done([&] { return sink.commit(); });
  }

  // Where those records are.
  std::map<std::string, Partition> partitions_of_keys(const std::string& topic) {
    std::map<std::string, Partition> found;
    // The commit is answered before its markers are written, and the reader sees the log behind
    // them.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (found.size() < kKeys.size() && std::chrono::steady_clock::now() < deadline) {
      KafkaReader reader(cluster, topic);
      ok(until_done([&] { return reader.open({}); }));
      std::vector<Seen> seen;
      while (!reader.has_reached_end()) {
        const Result<Batch> batch = reader.poll(std::chrono::milliseconds(100), 500);
        ok(batch.is_ok() ? Status::ok() : batch.status());
        copy(batch.value(), seen);
      }
      for (const Seen& one : seen) {
        found.emplace(one.key, one.where.partition);
      }
    }
    EXPECT_THAT(found, SizeIs(kKeys.size()));
    return found;
  }

  static std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  // Returns when the broker says so.
  void set_record_bytes_max(const std::string& topic, const std::string& bytes) {
    const Result<std::unique_ptr<Client>> made = Client::make(RD_KAFKA_PRODUCER, cluster, {});
    ASSERT_TRUE(made.is_ok()) << made.status().message();
    rd_kafka_t* client = made.value()->get();
    rd_kafka_ConfigResource_t* change =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    rd_kafka_ConfigResource_set_config(change, "max.message.bytes", bytes.c_str());
    rd_kafka_queue_t* answers = rd_kafka_queue_new(client);
    rd_kafka_AlterConfigs(client, &change, 1, nullptr, answers);
    rd_kafka_event_destroy(rd_kafka_queue_poll(answers, 10'000));
    rd_kafka_queue_destroy(answers);
    rd_kafka_ConfigResource_destroy(change);
    const auto has_changed = [&]() -> Status {
      WEIR_TRY_ASSIGN(const auto found, admin->describe(topic));
      return found && found->configs.at("max.message.bytes") == bytes ? Status::ok()
                                                                      : Status::retry("not yet");
    };
    ok(until_done(has_changed));
  }

  static OffsetToCommit offset(std::int64_t next, std::string metadata = "") {
    return {{InputIndex(0), Partition(0)}, NextOffset(next), std::move(metadata)};
  }

  std::optional<std::int64_t> committed(KafkaSource& source) {
    const InputPartition where{InputIndex(0), Partition(0)};
    const auto answer = until_done([&] { return source.committed(std::span(&where, 1)); });
    EXPECT_TRUE(answer.is_ok()) << answer.status().message();
    const auto next = answer.value()[0].next;
    return next ? std::optional(next->value()) : std::nullopt;
  }
};

// It was tried for ever.
TEST_F(KafkaSinkTest, MetadataThatTheBrokerFindsTooLargeStops) {
  const std::string input = topic("input");
  SinkSettings settings = writing({topic("output")});
  settings.inputs = {input};
  KafkaSink sink(settings);
  ok(until_done([&] { return sink.open(); }));
  ok(sink.begin());
  const Status refused = sink.send_offsets(std::array{offset(3, std::string(5000, 'x'))},
                                           join(input)->source.membership().value());
  EXPECT_EQ(refused.remedy(), Remedy::stop) << refused.message();
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(refused.message(), testing::HasSubstr("offset.metadata.max.bytes"));
}

TEST_F(KafkaSinkTest, OutputsAndOffsetsBecomeVisibleTogether) {
  const std::string input = topic("input");
  const std::string output = topic("output");
  const auto member = join(input);
  SinkSettings settings = writing({output});
  settings.inputs = {input};
  KafkaSink sink(settings);
  ok(until_done([&] { return sink.open(); }));

  ok(sink.begin());
  const std::array headers{Header{"a", "1"}, Header{"a", std::nullopt}, Header{"b", ""}};
  std::array records{record("k1", "v1", 1), record("k2", "v2", 2)};
  records[1].headers = headers;
  ok(sink.send(records));
  ok(until_done([&] { return sink.flush(); }));
  EXPECT_THAT(read_all(output), IsEmpty());
  const auto membership = member->source.membership();
  ASSERT_TRUE(membership.is_ok()) << membership.status().message();
  const std::array offsets{offset(3, "r=1 T=ü")};
  ok(sink.send_offsets(offsets, membership.value()));
  EXPECT_THAT(read_all(output), IsEmpty());
  ok(until_done([&] { return sink.commit(); }));
  EXPECT_EQ(sink.doubt(), Doubt::none);

  const InputPartition where{InputIndex(0), Partition(0)};
  const auto answer = until_done([&] { return member->source.committed(std::span(&where, 1)); });
  ASSERT_TRUE(answer.is_ok());
  EXPECT_EQ(answer.value()[0].next, NextOffset(3));
  EXPECT_EQ(answer.value()[0].metadata, "r=1 T=ü");
  std::vector<Seen> seen;
  // A commit is answered before its records show.
  while (seen.size() < 2) {
    seen = read_all(output);
  }
  EXPECT_THAT(values_of(seen), ElementsAre("v1", "v2"));
  EXPECT_EQ(seen[1].key, "k2");
  EXPECT_EQ(seen[1].timestamp, 1'700'000'000'002);
  using Pair = std::pair<std::string, std::string>;
  EXPECT_THAT(seen[1].headers, ElementsAre(Pair("a", "1"), Pair("a", "(null)"), Pair("b", "")));
}

TEST_F(KafkaSinkTest, AnAbortLeavesNothing) {
  const std::string input = topic("input");
  const std::string output = topic("output");
  const auto member = join(input);
  SinkSettings settings = writing({output});
  settings.inputs = {input};
  KafkaSink sink(settings);
  ok(until_done([&] { return sink.open(); }));
  for (int i = 0; i < 20; ++i) {
    ok(sink.begin());
    ok(sink.send(std::array{record("k", i % 2 == 0 ? "no" : "yes")}));
    if (i % 2 == 0) {
      // At once: nothing is acknowledged yet.
      ok(until_done([&] { return sink.abort(); }));
    } else {
      ok(until_done([&] { return sink.flush(); }));
      ok(sink.send_offsets(std::array{offset(i)}, member->source.membership().value()));
      ok(until_done([&] { return sink.commit(); }));
    }
  }
  ok(sink.begin());
  ok(sink.send(std::array{record("k", "no")}));
  ok(sink.send_offsets(std::array{offset(99)}, member->source.membership().value()));
  ok(until_done([&] { return sink.abort(); }));
  EXPECT_EQ(committed(member->source), 19);
  EXPECT_THAT(values_of(read_all(output)), testing::AllOf(SizeIs(10), testing::Each("yes")));
}

// Else the end of the transaction may overtake its beginning, which the broker refuses for good.
TEST_F(KafkaSinkTest, AnAbortWaitsUntilTheBrokerHasSeenTheTransaction) {
  KafkaSink sink(writing({topic("output")}));
  ok(until_done([&] { return sink.open(); }));
  ok(sink.begin());
  ok(sink.send(std::array{record("k", "v")}));
  ok(until_done([&] { return sink.abort(); }));
  // An abort is answered before its marker is written.
  ok(until_done([&]() -> Status {
    WEIR_TRY_ASSIGN(const bool has_written, sink.has_written());
    return has_written ? Status::ok() : Status::retry("the record never left the client");
  }));
}

TEST_F(KafkaSinkTest, MoreRecordsThanItsQueueTakesAreAllWritten) {
  const std::string output = topic("output");
  cluster.properties = {{"queue.buffering.max.messages", "10"}};
  write_records(output, std::vector<OutRecord>(100, record("k", "v")));
  std::vector<Seen> seen;
  while (seen.empty()) {
    seen = read_all(output);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST_F(KafkaSinkTest, TheEndLiesPastControlRecords) {
  const std::string output = topic("output");
  fill(output, 3);
  NextOffset end;
  EXPECT_THAT(read_all(output, &end), SizeIs(3));
  EXPECT_EQ(end, NextOffset(4));
}

TEST_F(KafkaSinkTest, AnOlderProducerOfTheSameIdIsFenced) {
  const std::string output = topic("output");
  KafkaSink older(writing({output}));
  ok(until_done([&] { return older.open(); }));
  ok(older.begin());
  ok(older.send(std::array{record("k", "older")}));
  ok(until_done([&] { return older.flush(); }));

  KafkaSink newer(writing({output}));
  ok(until_done([&] { return newer.open(); }));
  const Status fenced = until_done([&] { return older.commit(); });
  ASSERT_FALSE(fenced.is_ok());
  EXPECT_EQ(fenced.remedy(), Remedy::recreate) << fenced.message();

  ok(newer.begin());
  ok(newer.send(std::array{record("k", "newer")}));
  ok(until_done([&] { return newer.flush(); }));
  ok(until_done([&] { return newer.commit(); }));
  while (read_all(output).empty()) {
  }
  EXPECT_THAT(values_of(read_all(output)), ElementsAre("newer"));
}

TEST_F(KafkaSinkTest, OpeningWhatIsOpenAlreadyIsNoFailure) {
  KafkaSink sink(writing({topic("output")}));
  ok(until_done([&] { return sink.open(); }));
  ok(sink.open());
}

TEST_F(KafkaSinkTest, TwoLiveProducersOfOneIdStopInsteadOfFencingEachOtherForEver) {
  const std::string output = topic("output");
  KafkaSink one(writing({output}));
  KafkaSink other(writing({output}));
  ok(until_done([&] { return one.open(); }));
  Status failure;
  for (int i = 0; i < 10 && (failure.is_ok() || failure.remedy() == Remedy::recreate); ++i) {
    ok(until_done([&] { return other.recreate(); }));
    ok(one.begin());
    failure = one.send(std::array{record("k", "v")});
    if (failure.is_ok()) {
      failure = until_done([&] { return one.commit(); });
    }
    if (!failure.is_ok() && failure.remedy() == Remedy::abort) {
      failure = until_done([&] { return one.abort(); });
    }
    if (!failure.is_ok() && failure.remedy() == Remedy::recreate) {
      ok(until_done([&] { return one.recreate(); }));
    }
  }
  ASSERT_FALSE(failure.is_ok());
  ASSERT_EQ(failure.remedy(), Remedy::stop);
  EXPECT_EQ(failure.exit_code(), ExitCode::temporary);
  EXPECT_THAT(
      failure.message(),
      testing::AllOf(testing::HasSubstr("another live process"),
                     testing::HasSubstr("--describe --group " + prefix + ".group --members"),
                     testing::HasSubstr("--bootstrap-server " + cluster.bootstrap)));
}

// The loop asked again after the first attempt, heard of no doubt, and went on with a producer that
// was not made yet.
TEST_F(KafkaSinkTest, ADoubtOutlivesARecreationThatTakesSeveralAttempts) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::string large = incompressible(40'000);
  const std::array records{record("k", large)};
  ok(sink.begin());
  Status failure = sink.send(records);
  if (failure.is_ok()) {
    failure = until_done([&] { return sink.flush(); });
  }
  ASSERT_FALSE(failure.is_ok());
  ok(until_done([&] { return sink.abort(); }));
  ASSERT_EQ(sink.doubt(), Doubt::producer);

  // The producer must be made once more, for smaller batches: the first attempt can't be enough.
  set_record_bytes_max(output, "15000");
  const Status first = sink.recreate();
  ASSERT_FALSE(first.is_ok());
  ASSERT_EQ(first.remedy(), Remedy::retry) << first.message();
  EXPECT_THAT(first.message(), testing::HasSubstr(output + " has max.message.bytes 15000"));
  EXPECT_EQ(sink.doubt(), Doubt::producer);
  ok(until_done([&] { return sink.recreate(); }));
  EXPECT_EQ(sink.doubt(), Doubt::none);
  ok(sink.begin());
}

TEST_F(KafkaSinkTest, ARefusedRecordIsNamedAndTheOthersAreNot) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::string large = incompressible(40'000);
  ok(sink.begin());
  std::vector<OutRecord> records;
  for (int i = 0; i < 100; ++i) {
    records.push_back(record("k", i == 42 ? std::string_view(large) : "small", i));
  }
  Status failure = sink.send(records);
  if (failure.is_ok()) {
    failure = until_done([&] { return sink.flush(); });
  }
  ASSERT_FALSE(failure.is_ok());
  ASSERT_EQ(failure.remedy(), Remedy::abort) << failure.message();
  ASSERT_THAT(sink.refusals(), SizeIs(1));
  EXPECT_EQ(sink.refusals()[0].origin.offset, Offset(42));
  EXPECT_EQ(sink.refusals()[0].reason, "output_too_large");
  EXPECT_THAT(sink.refusals()[0].message, testing::HasSubstr("max.message.bytes"));
  EXPECT_THAT(sink.refusals()[0].message, testing::HasSubstr(output));
  ok(until_done([&] { return sink.abort(); }));

  EXPECT_EQ(sink.doubt(), Doubt::producer);
  ok(until_done([&] { return sink.recreate(); }));
  EXPECT_EQ(sink.doubt(), Doubt::none);
  records.erase(records.begin() + 42);
  ok(sink.begin());
  ok(sink.send(records));
  ok(until_done([&] { return sink.flush(); }));
  ok(until_done([&] { return sink.commit(); }));
}

// What a lane would otherwise learn at the price of a transaction each.
TEST_F(KafkaSinkTest, ARecordOverItsTopicsLimitIsKnownBeforehand) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  const std::string random = incompressible(19'000);
  const std::string more_random = incompressible(22'000);
  const std::string regular(1'000'000, 'a');

  struct Case {
    std::vector<Property> properties;
    std::string_view value;
    bool is_foreseen;
  };

  for (const Case& c : std::vector<Case>{
           {{}, random, false},
           {{}, more_random, true},
           {{}, regular, false},
           {{{"compression.codec", "none"}}, regular, true},
           {{{"compression.type", "none"}}, random, false},
           {{{"compression.codec", "lz4"}, {"compression.level", "9"}}, more_random, true},
           {{{"compression.codec", "gzip"}}, more_random, false}}) {  // refused by the broker
    SinkSettings settings = writing({output});
    settings.cluster.properties.insert(settings.cluster.properties.end(), c.properties.begin(),
                                       c.properties.end());
    KafkaSink sink(settings);
    ok(until_done([&] { return sink.open(); }));
    const std::string label = c.properties.empty() ? "" : c.properties[0].value;
    const std::optional<Refusal> refusal = sink.foresee_refusal(record("k", c.value, 42));
    ASSERT_EQ(refusal.has_value(), c.is_foreseen) << label << " " << c.value.size();
    ok(sink.begin());
    ok(sink.send(std::array{record("k", c.value, 42)}));
    const Status done = until_done([&] { return sink.flush(); });
    const bool is_refused = c.is_foreseen || label == "gzip";
    EXPECT_EQ(done.is_ok(), !is_refused) << label << " " << c.value.size() << done.message();
    if (refusal) {
      EXPECT_EQ(refusal->origin.offset, Offset(42));
      EXPECT_EQ(refusal->reason, "output_too_large");
      EXPECT_THAT(refusal->message, testing::HasSubstr("max.message.bytes of 20000"));
      EXPECT_THAT(refusal->message, testing::HasSubstr(output));
    }
    ok(until_done([&] { return sink.abort(); }));
  }
}

// A bound that was 1 % off made dead letters of what the topic would have taken, and missed what
// keys and headers weigh.
TEST_F(KafkaSinkTest, TheWeightIsTheBrokersToTheByte) {
  const std::string noise = incompressible(30'000);
  const std::string long_key(400, 'k');
  // Another byte in each of lz4's blocks: a shift of the blocks' borders shows.
  std::string runs;
  for (char c = 'a'; c < 'k'; ++c) {
    runs += std::string(65'536, c);
  }
  const std::vector<Header> headers(20, Header{"header", std::string_view(noise).substr(0, 500)});

  struct Case {
    std::string_view key;
    std::string_view value;
    std::span<const Header> headers;
    std::vector<Property> properties;
    std::optional<int> level = 0;
  };

  const std::vector<Property> uncompressed{{"compression.codec", "none"}};
  int topics = 0;
  const std::vector<Property> hard{{"compression.level", "9"}};
  for (const Case& c : std::vector<Case>{{"k", noise, {}, {}},
                                         {long_key, runs, {}, {}},
                                         {"k", runs, headers, {}},
                                         {long_key, runs, headers, hard, 9},
                                         {noise, "v", {}, {}},
                                         {"k", "v", headers, uncompressed, std::nullopt}}) {
    OutRecord sent = record(c.key, c.value);
    sent.headers = c.headers;
    const std::size_t weight = batch_weight(sent, c.level);
    for (const bool fits : {true, false}) {
      const std::string limit = std::to_string(weight - (fits ? 0 : 1));
      const std::string output =
          topic(fmt::format("output{}", topics++), 1, {{"max.message.bytes", limit}});
      SinkSettings settings = writing({output});
      settings.cluster.properties.insert(settings.cluster.properties.end(), c.properties.begin(),
                                         c.properties.end());
      KafkaSink sink(settings);
      ok(until_done([&] { return sink.open(); }));
      EXPECT_EQ(sink.foresee_refusal(sent).has_value(), !fits) << weight;
      ok(sink.begin());
      ok(sink.send(std::array{sent}));
      EXPECT_EQ(until_done([&] { return sink.flush(); }).is_ok(), fits) << weight;
      ok(until_done([&] { return sink.abort(); }));
    }
  }
}

// Whose age was refused, all that was newer was taken for refused as well.
TEST_F(KafkaSinkTest, ARecordThatIsTooOldSaysNothingOfNewerOnes) {
  const std::string output = topic("output", 1, {{"message.timestamp.before.max.ms", "3600000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::int64_t now = now_ms();
  OutRecord old = record("k", "old", 1);
  old.timestamp = Timestamp(now - 86'400'000);
  OutRecord fresh = record("k", "fresh", 2);
  fresh.timestamp = Timestamp(now);
  for (int tries = 0; tries < 2; ++tries) {  // in full batches, then one by one
    ok(sink.begin());
    ok(sink.send(std::array{old, fresh}));
    ASSERT_EQ(until_done([&] { return sink.flush(); }).remedy(), Remedy::abort);
    ok(until_done([&] { return sink.abort(); }));
    ok(until_done([&] { return sink.recreate(); }));
  }
  EXPECT_THAT(sink.refusals(), SizeIs(1));
  EXPECT_FALSE(sink.foresee_refusal(fresh));
}

// Else a key's records lay in two partitions, committed, before the lane looked at its topics.
TEST_F(KafkaSinkTest, PartitionsThatWereAddedMoveNoKeyUnderAProducerMadeAnew) {
  const std::string output = topic("output", 1);
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  ASSERT_EQ(partitions_said(sink), 1);
  ok(sink.begin());
  ok(until_done([&] { return sink.commit(); }));
  add_partitions(output, 8);
  ok(until_done([&] { return sink.recreate(); }));
  EXPECT_EQ(partitions_said(sink), 8) << "the lane must hear of them";
  ok(send_by_key(sink));
  for (const auto& [key, partition] : partitions_of_keys(output)) {
    EXPECT_EQ(partition, Partition(0)) << key;
  }
}

// The lane took the number that it was told for the rule, while keys were spread over the one that
// the producer had found before.
TEST_F(KafkaSinkTest, KeysAreSpreadOverAsManyPartitionsAsItsIdentitySaysAtTheStart) {
  const std::string output = topic("output", 1);
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  add_partitions(output, 8);
  ASSERT_EQ(partitions_said(sink), 8);
  Status sent = send_by_key(sink);
  if (!sent.is_ok() && sent.remedy() == Remedy::recreate) {  // the client hasn't heard of them
    ok(until_done([&] { return sink.recreate(); }));
    sent = send_by_key(sink);
  }
  ok(sent);
  for (const auto& [key, partition] : partitions_of_keys(output)) {
    EXPECT_EQ(partition, partition_of(key, 8)) << key;
  }
}

// Such a record was aborted and sent again for ever: nobody else looks at the dead letters' topic.
TEST_F(KafkaSinkTest, AnOutputThatComesBackWithFewerPartitionsStops) {
  const std::string letters = topic("letters", 3);
  KafkaSink sink(writing({letters}));
  ok(until_done([&] { return sink.open(); }));
  OutRecord letter = record("k", "v");
  letter.partition = Partition(2);
  ok(admin->remove(letters));
  ok(until_done([&]() -> Status {
    NewTopic again{letters, 1, 1, {}};
    const Status created = admin->create(std::span(&again, 1));
    return created.is_ok() ? created : Status::retry(created.message());
  }));
  Status done = Status::ok();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto is_stopped = [&] { return !done.is_ok() && done.remedy() == Remedy::stop; };
  while (!is_stopped() && std::chrono::steady_clock::now() < deadline) {
    done = sink.begin();
    if (done.is_ok()) {
      done = sink.send(std::array{letter});
    }
    if (done.is_ok()) {
      done = until_done([&] { return sink.commit(); });
    }
    if (!done.is_ok() && !is_stopped()) {
      done = until_done([&] { return sink.recreate(); });
    }
  }
  ASSERT_TRUE(is_stopped()) << done.message();
  EXPECT_THAT(done.message(), testing::HasSubstr("has 1 partitions"));
}

TEST_F(KafkaSinkTest, ALimitThatIsRaisedIsBelievedWithinSeconds) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::string large = incompressible(40'000);
  ASSERT_TRUE(sink.foresee_refusal(record("k", large)));
  set_record_bytes_max(output, "50000");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (sink.foresee_refusal(record("k", large)) && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  ok(sink.begin());
  ok(sink.send(std::array{record("k", large)}));
  ok(until_done([&] { return sink.flush(); }));
  ok(until_done([&] { return sink.commit(); }));
}

TEST_F(KafkaSinkTest, ARefusalThatOnlyTheCommitMeetsIsNamed) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::string large = incompressible(40'000);
  ok(sink.begin());
  ok(sink.send(std::array{record("k", large, 42)}));
  const Status failure = until_done([&] { return sink.commit(); });
  ASSERT_FALSE(failure.is_ok());
  ASSERT_EQ(failure.remedy(), Remedy::abort) << failure.message();
  ASSERT_THAT(sink.refusals(), SizeIs(1));
  EXPECT_EQ(sink.refusals()[0].origin.offset, Offset(42));
  ok(until_done([&] { return sink.abort(); }));
}

// What the consumer is to do about it is asked after the producer was made anew.
TEST_F(KafkaSinkTest, ADoubtAboutATransactionThatWasCutOffLastsUntilTheNextBegins) {
  const std::string output = topic("output", 1, {{"max.message.bytes", "20000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::string large = incompressible(40'000);
  ok(sink.begin());
  ok(sink.send(std::array{record("k", large)}));
  ASSERT_FALSE(until_done([&] { return sink.flush(); }).is_ok());
  ASSERT_EQ(sink.doubt(), Doubt::producer);
  ok(until_done([&] { return sink.recreate(); }));
  EXPECT_EQ(sink.doubt(), Doubt::producer);
  ok(sink.begin());
  EXPECT_EQ(sink.doubt(), Doubt::none);
}

TEST_F(KafkaSinkTest, WhatItSendsIsCompressed) {
  // Only compressed is this small enough for its topic.
  const std::string output = topic("output", 1, {{"max.message.bytes", "2000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  ok(sink.begin());
  const std::string large(50'000, 'a');
  ok(sink.send(std::array{record("k", large)}));
  ok(until_done([&] { return sink.flush(); }));
  ok(until_done([&] { return sink.commit(); }));
}

TEST_F(KafkaSinkTest, AmongRecordsThatAreRefusedTogetherTheGuiltyAreFound) {
  const std::string output = topic("output", 1, {{"message.timestamp.after.max.ms", "3600000"}});
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  const std::int64_t now = now_ms();
  std::map<std::int64_t, std::string> reasons;
  int tries = 0;
  Status done = Status::abort("not tried");
  while (!done.is_ok() && tries < 20) {
    ++tries;
    ok(sink.begin());
    std::vector<OutRecord> records;
    for (int i = 0; i < 200; ++i) {
      if (!reasons.contains(i)) {
        records.push_back(record("k", "v", i));
        records.back().timestamp = Timestamp(i % 50 == 7 ? now + 86'400'000 + i : now);
        if (const auto refusal = sink.foresee_refusal(records.back())) {
          reasons[i] = refusal->reason;
          records.pop_back();
        }
      }
    }
    done = sink.send(records);
    if (done.is_ok()) {
      done = until_done([&] { return sink.flush(); });
    }
    if (done.is_ok()) {
      done = until_done([&] { return sink.commit(); });
      break;
    }
    ASSERT_EQ(done.remedy(), Remedy::abort) << done.message();
    for (const Refusal& refusal : sink.refusals()) {
      reasons[refusal.origin.offset.value()] = refusal.reason;
    }
    ok(until_done([&] { return sink.abort(); }));
    ok(until_done([&] { return sink.recreate(); }));
  }
  ok(done);
  EXPECT_LE(tries, 4);
  using Pair = std::pair<const std::int64_t, std::string>;
  EXPECT_THAT(reasons, ElementsAre(Pair(7, "output_timestamp"), Pair(57, "output_timestamp"),
                                   Pair(107, "output_timestamp"), Pair(157, "output_timestamp")));
  // The next transaction is to be sent in full batches again, and nothing is known of its limits.
  EXPECT_EQ(sink.doubt(), Doubt::producer);
  OutRecord ahead = record("k", "v");
  ahead.timestamp = Timestamp(now + 2 * 86'400'000);
  EXPECT_FALSE(sink.foresee_refusal(ahead));
}

TEST_F(KafkaSinkTest, RecordsWithoutPartitionGoWhereJavaWouldSendThem) {
  const std::string output = topic("output", 7);
  KafkaSink sink(writing({output}));
  ok(until_done([&] { return sink.open(); }));
  ok(sink.begin());
  std::array records{record("foobar", "v"), record("21", "v")};
  records[0].partition = kPartitionByKey;
  records[1].partition = kPartitionByKey;
  ok(sink.send(records));
  ok(until_done([&] { return sink.flush(); }));
  ok(until_done([&] { return sink.commit(); }));
  std::map<std::string, std::int32_t> partitions;
  while (partitions.size() < 2) {
    for (const Seen& one : read_all(output)) {
      partitions[one.key] = one.where.partition.value();
    }
  }
  // murmur2("foobar") = -790332482, murmur2("21") = -973932308, in Java.
  EXPECT_EQ(partitions["foobar"], (-790332482 & 0x7fffffff) % 7);
  EXPECT_EQ(partitions["21"], (-973932308 & 0x7fffffff) % 7);
}

TEST_F(KafkaSinkTest, AMissingTopicIsNamedWithTheCommandThatMakesIt) {
  KafkaSink sink(writing({prefix + ".nowhere"}));
  const Status failure = until_done([&] { return sink.open(); });
  ASSERT_FALSE(failure.is_ok());
  ASSERT_EQ(failure.remedy(), Remedy::stop);
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_THAT(failure.message(), testing::HasSubstr(prefix + ".nowhere"));
  EXPECT_THAT(failure.message(), testing::HasSubstr("weir topics apply"));
}

TEST_F(KafkaSinkTest, OffsetsOfAMemberThatLeftAreRefused) {
  const std::string input = topic("input");
  const std::string output = topic("output");
  const auto member = join(input);
  const std::string membership = member->source.membership().value();
  SinkSettings settings = writing({output});
  settings.inputs = {input};
  KafkaSink sink(settings);
  ok(until_done([&] { return sink.open(); }));
  ok(member->source.rejoin());
  EXPECT_FALSE(member->source.membership().is_ok());
  std::vector<Seen> seen;
  ok(poll_until(member->source, seen,
                [&](const Batch&) { return member->listener.assignments == 2; }));
  ok(sink.begin());
  ok(sink.send(std::array{record("k", "v")}));
  const Status refused = sink.send_offsets(std::array{offset(1)}, membership);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.remedy(), Remedy::abort) << refused.message();
  ok(until_done([&] { return sink.abort(); }));
  ok(sink.begin());
  ok(sink.send_offsets(std::array{offset(1)}, member->source.membership().value()));
  ok(until_done([&] { return sink.commit(); }));
  EXPECT_EQ(committed(member->source), 1);
}

}  // namespace
}  // namespace weir
