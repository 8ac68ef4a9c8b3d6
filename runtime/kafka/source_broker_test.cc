#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "kafka/broker_case.h"
#include "kafka/source.h"

namespace weir {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr InputPartition kFirst{InputIndex(0), Partition(0)};

class KafkaSourceTest : public BrokerCase {
 protected:
  // A static member, which the group remembers.
  void join_and_leave(const SourceSettings& settings) {
    ScriptedListener listener;
    KafkaSource earlier(settings);
    ok(earlier.open(listener));
    std::vector<Seen> seen;
    ok(poll_until(earlier, seen, [&](const Batch&) { return !listener.owned.empty(); }));
    earlier.close();
  }

  // Sets `happened` when a client of `settings` logs these words. Both outlive the client.
  static void tell_when(std::atomic<bool>& happened, std::string_view words,
                        SourceSettings& settings) {
    settings.cluster.properties.push_back({"debug", "generic,cgrp"});
    settings.cluster.log = [&happened, words](int, std::string_view said) {
      if (said.find(words) != std::string_view::npos) {
        happened = true;
        happened.notify_one();
      }
    };
  }
};

TEST_F(KafkaSourceTest, ASeekUnderLoadGivesNeitherGapNorDuplicate) {
  const std::string input = topic("input");
  constexpr int kCount = 60'000;
  fill(input, kCount, 3000);
  KafkaSource source(reading({input}));
  ScriptedListener listener;
  ok(source.open(listener));
  // What a lane does: takes records, gives some up, reads them again. The values are consecutive,
  // the offsets aren't (control records).
  std::minstd_rand random(7);
  int expected = 0;
  std::vector<std::pair<int, NextOffset>> places{{0, NextOffset(0)}};
  int seeks = 0;
  while (expected < kCount) {
    const Result<Batch> batch = source.poll(std::chrono::milliseconds(1000), 700);
    ASSERT_TRUE(batch.is_ok()) << batch.status().message();
    for (const RawRecord& r : batch.value().records) {
      ASSERT_EQ(*r.value, std::to_string(expected)) << "after " << seeks << " seeks";
      ++expected;
    }
    if (!batch.value().records.empty()) {
      places.emplace_back(expected, next(batch.value().records.back().offset));
    }
    if (seeks < 60 && random() % 3 == 0) {
      ++seeks;
      const std::size_t back = random() % std::min<std::size_t>(places.size(), 4);
      const auto [value, place] = places[places.size() - 1 - back];
      places.resize(places.size() - back);
      ok(source.seek(std::array{Position{kFirst, place}}));
      expected = value;
    }
  }
  EXPECT_GT(seeks, 20);
  source.close();
}

TEST_F(KafkaSourceTest, PartitionsThatAreNotSoughtGoOnWhereTheyAre) {
  const std::string input = topic("input", 2);
  fill(input, 300, 100, 0);
  fill(input, 300, 100, 1);
  KafkaSource source(reading({input}));
  ScriptedListener listener;
  ok(source.open(listener));
  std::map<std::int32_t, int> next_value;
  bool has_sought = false;
  while (next_value[0] < 300 || next_value[1] < 300 || !has_sought) {
    const Result<Batch> batch = source.poll(std::chrono::milliseconds(1000), 37);
    ASSERT_TRUE(batch.is_ok()) << batch.status().message();
    for (const RawRecord& r : batch.value().records) {
      ASSERT_EQ(*r.value, std::to_string(next_value[r.where.partition.value()]++));
    }
    if (!has_sought && next_value[0] > 150) {
      has_sought = true;
      ok(source.seek(std::array{Position{kFirst, NextOffset(0)}}));
      next_value[0] = 0;
    }
  }
  source.close();
}

TEST_F(KafkaSourceTest, AnOffsetOutOfRangeStopsWithTheGapAndTheWaysOut) {
  const std::string input = topic("input");
  fill(input, 3);
  KafkaSource source(reading({input}));
  ScriptedListener listener;
  listener.on_assigned = [](std::span<const InputPartition> partitions) {
    return std::vector<Position>{{partitions[0], NextOffset(1000)}};
  };
  ok(source.open(listener));
  std::vector<Seen> seen;
  const Status failure = poll_until(source, seen, [](const Batch&) { return false; });
  ASSERT_EQ(failure.remedy(), Remedy::stop);
  EXPECT_EQ(failure.exit_code(), ExitCode::bad_input);
  EXPECT_THAT(failure.message(), HasSubstr(input));
  EXPECT_THAT(failure.message(), HasSubstr("partition 0 offset 1000"));
  EXPECT_THAT(failure.message(), HasSubstr("deploy a new version"));
}

// A batch of another format, for which one flipped bit is enough, was skipped where it held one
// record, and waited at for ever where it held several.
TEST_F(KafkaSourceTest, WhatTheClientCannotReadStops) {
  if (const char* given = std::getenv("WEIR_BOOTSTRAP"); given != nullptr && *given != '\0') {
    GTEST_SKIP() << "damages the log of its broker, and WEIR_BOOTSTRAP names somebody's";
  }
  constexpr std::streamoff kMagic = 16;
  constexpr std::streamoff kFirstRecord = 62;
  for (const int records_per_batch : {1, 3}) {
    for (const std::streamoff damage : {kMagic, kFirstRecord}) {
      const std::string input = topic(fmt::format("damaged{}.{}", records_per_batch, damage));
      fill(input, records_per_batch, records_per_batch);
      const std::filesystem::path log =
          fmt::format("{}/log/{}-0/00000000000000000000.log", std::getenv("WEIR_KAFKA_DIR"), input);
      std::fstream bytes(log, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekg(damage);
      const int found = bytes.get();
      ASSERT_GE(found, 0) << log;
      bytes.seekp(damage);
      bytes.put(static_cast<char>(found ^ 1));
      bytes.close();
      KafkaSource source(reading({input}));
      ScriptedListener listener;
      ok(source.open(listener));
      std::vector<Seen> seen;
      const Status stopped = poll_until(source, seen, [](const Batch&) { return false; });
      EXPECT_EQ(stopped.remedy(), Remedy::stop) << stopped.message();
      EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
      EXPECT_THAT(stopped.message(), testing::HasSubstr(fmt::format(
                                         "topic {} partition 0 offset 0 can't be read", input)));
      EXPECT_THAT(seen, testing::IsEmpty());
    }
  }
}

TEST_F(KafkaSourceTest, AMissingTopicIsNamedWithTheCommandThatMakesIt) {
  KafkaSource source(reading({prefix + ".nowhere"}));
  ScriptedListener listener;
  ok(source.open(listener));
  std::vector<Seen> seen;
  const Status failure = poll_until(source, seen, [](const Batch&) { return false; });
  ASSERT_EQ(failure.remedy(), Remedy::stop);
  EXPECT_EQ(failure.exit_code(), ExitCode::config);
  EXPECT_THAT(failure.message(), HasSubstr(prefix + ".nowhere"));
  EXPECT_THAT(failure.message(), HasSubstr("weir topics apply"));
}

TEST_F(KafkaSourceTest, ANewGroupIsFoundedOnceAndNotWhileItHasMembers) {
  const std::string input = topic("input", 2);
  SourceSettings settings = reading({input});
  settings.instance = "one";
  KafkaSource source(settings);
  const std::array partitions{kFirst, InputPartition{InputIndex(0), Partition(1)}};
  auto committed = until_done([&] { return source.committed(partitions); });
  ASSERT_TRUE(committed.is_ok()) << committed.status().message();
  EXPECT_EQ(committed.value()[0].next, std::nullopt);
  const std::array beginnings{OffsetToCommit{partitions[0], NextOffset(5), "five"},
                              OffsetToCommit{partitions[1], NextOffset(0), ""}};
  ok(until_done([&] { return source.found_group(beginnings); }));
  committed = until_done([&] { return source.committed(partitions); });
  EXPECT_EQ(committed.value()[0].next, NextOffset(5));
  EXPECT_EQ(committed.value()[0].metadata, "five");
  EXPECT_EQ(committed.value()[1].next, NextOffset(0));

  ScriptedListener listener;
  ok(source.open(listener));
  std::vector<Seen> seen;
  ok(poll_until(source, seen, [&](const Batch&) { return !listener.owned.empty(); }));
  KafkaSource late(reading({input}));
  const std::array others{OffsetToCommit{partitions[0], NextOffset(99), "late"}};
  ok(until_done([&] { return late.found_group(others); }));
  committed = until_done([&] { return source.committed(partitions); });
  EXPECT_EQ(committed.value()[0].next, NextOffset(5));
}

TEST_F(KafkaSourceTest, TheListenerIsToldOfEveryHandOver) {
  const std::string input = topic("input", 4);
  for (std::int32_t p = 0; p < 4; ++p) {
    fill(input, 10, 10, p);
  }
  ScriptedListener first_listener;
  ScriptedListener second_listener;
  bool was_lost = false;
  first_listener.on_revoked = [&](bool lost) { was_lost = was_lost || lost; };
  KafkaSource first(reading({input}));
  ok(first.open(first_listener));
  std::vector<Seen> seen;
  ok(poll_until(first, seen, [&](const Batch&) { return seen.size() == 40; }));
  EXPECT_THAT(first_listener.owned, SizeIs(4));

  KafkaSource second(reading({input}));
  ok(second.open(second_listener));
  std::vector<Seen> again;
  while (first_listener.owned.size() != 2 || second_listener.owned.size() != 2) {
    for (KafkaSource* source : {&first, &second}) {
      const Result<Batch> batch = source->poll(std::chrono::milliseconds(50), 500);
      ASSERT_TRUE(batch.is_ok()) << batch.status().message();
      copy(batch.value(), again);
    }
  }
  EXPECT_EQ(first_listener.revocations, 1);
  EXPECT_FALSE(was_lost);
  EXPECT_EQ(second_listener.revocations, 0);
  std::set<InputPartition> all(first_listener.owned.begin(), first_listener.owned.end());
  all.insert(second_listener.owned.begin(), second_listener.owned.end());
  EXPECT_THAT(all, SizeIs(4));

  second.close();
  EXPECT_EQ(second_listener.revocations, 1);
  ok(poll_until(first, again, [&](const Batch&) { return first_listener.owned.size() == 4; }));
  EXPECT_EQ(first_listener.revocations, 2);
}

// They wait in the client's queue, the revocation behind them: a lane would commit past them, or
// find them with whom they belong to next.
TEST_F(KafkaSourceTest, RecordsPolledBeforeARevocationInTheSameCallAreDropped) {
  const std::string input = topic("input");
  constexpr int kCount = 20'000;
  fill(input, kCount);
  SourceSettings settings = reading({input});
  KafkaSource second(settings);
  std::atomic<bool> is_to_be_revoked = false;
  tell_when(is_to_be_revoked, "wait-unassign-call", settings);
  KafkaSource first(settings);
  ScriptedListener second_listener;
  ScriptedListener listener;
  // It may be given the partition again within that call; then there is nothing left to read.
  listener.on_assigned = [&](std::span<const InputPartition> partitions) {
    const NextOffset next(listener.assignments == 1 ? 0 : kCount + 1);
    return partitions.empty() ? std::vector<Position>()
                              : std::vector<Position>{{partitions[0], next}};
  };
  ok(first.open(listener));
  std::vector<Seen> seen;
  while (seen.empty()) {
    const Result<Batch> batch = first.poll(std::chrono::milliseconds(100), 1);
    ASSERT_TRUE(batch.is_ok()) << batch.status().message();
    copy(batch.value(), seen);
  }
  ok(second.open(second_listener));
  is_to_be_revoked.wait(false);
  Result<Batch> batch = Batch();
  while (listener.revocations == 0) {
    batch = first.poll(std::chrono::milliseconds(100), 100'000);
    ASSERT_TRUE(batch.is_ok()) << batch.status().message();
  }
  EXPECT_EQ(batch.value().records.size(), 0U);
}

// A seek makes the client forget that it lost them. And the client (2.0.2) ended the process: it
// stopped the partitions once more before it had heard that they were stopped.
TEST_F(KafkaSourceTest, PartitionsThatWereLostAreSaidToBeAlsoBehindASeek) {
  const std::string input = topic("input");
  SourceSettings settings = reading({input});
  settings.session_silence_max = std::chrono::milliseconds(2000);
  settings.poll_silence_max = std::chrono::milliseconds(2000);
  ScriptedListener listener;
  std::vector<bool> lost;
  listener.on_revoked = [&](bool is_lost) { lost.push_back(is_lost); };
  KafkaSource source(settings);
  ok(source.open(listener));
  std::vector<Seen> seen;
  ok(poll_until(source, seen, [&](const Batch&) { return !listener.owned.empty(); }));
  while (source.membership().is_ok()) {  // not polled for so long, the client leaves the group
  }
  ok(source.seek(std::array{Position{kFirst, NextOffset(0)}}));
  ok(poll_until(source, seen, [&](const Batch&) { return !lost.empty(); }));
  EXPECT_THAT(lost, testing::ElementsAre(true));
}

// The broker would take the offsets of any partition from it.
TEST_F(KafkaSourceTest, AMemberWithoutPartitionsHasNoMembershipToShow) {
  const std::string input = topic("input");
  std::array<ScriptedListener, 2> listeners;
  std::array sources{KafkaSource(reading({input})), KafkaSource(reading({input}))};
  ok(sources[0].open(listeners[0]));
  ok(sources[1].open(listeners[1]));
  const auto has = [&](std::size_t member, std::size_t partitions) {
    return listeners[member].assignments > 0 && listeners[member].owned.size() == partitions;
  };
  while (!(has(0, 1) && has(1, 0)) && !(has(0, 0) && has(1, 1))) {
    for (KafkaSource& source : sources) {
      const Result<Batch> batch = source.poll(std::chrono::milliseconds(50), 500);
      ASSERT_TRUE(batch.is_ok()) << batch.status().message();
    }
  }
  const std::size_t idle = has(0, 0) ? 0 : 1;
  const Result<std::string> none = sources[idle].membership();
  ASSERT_FALSE(none.is_ok());
  EXPECT_EQ(none.status().remedy(), Remedy::abort);
  EXPECT_TRUE(sources[1 - idle].membership().is_ok());
}

TEST_F(KafkaSourceTest, AFailureOfTheListenerIsTheResultOfPollAndItIsAskedAgain) {
  const std::string input = topic("input");
  fill(input, 5);
  KafkaSource source(reading({input}));
  ScriptedListener listener;
  listener.on_assigned =
      [&](std::span<const InputPartition> partitions) -> Result<std::vector<Position>> {
    if (listener.assignments < 3) {
      return Status::retry("not now");
    }
    return std::vector<Position>{{partitions[0], NextOffset(2)}};
  };
  ok(source.open(listener));
  std::vector<Seen> seen;
  int failures = 0;
  while (seen.empty()) {
    const Result<Batch> batch = source.poll(std::chrono::milliseconds(100), 500);
    if (batch.is_ok()) {
      copy(batch.value(), seen);
    } else {
      EXPECT_EQ(batch.status().message(), "not now");
      ++failures;
    }
  }
  EXPECT_EQ(failures, 2);
  EXPECT_EQ(seen[0].value, "2");
}

TEST_F(KafkaSourceTest, AFencedStaticMemberJoinsAgain) {
  const std::string input = topic("input");
  SourceSettings settings = reading({input});
  settings.instance = "same";
  ScriptedListener listener;
  KafkaSource older(settings);
  ok(older.open(listener));
  std::vector<Seen> seen;
  ok(poll_until(older, seen, [&](const Batch&) { return !listener.owned.empty(); }));
  ScriptedListener newer_listener;
  KafkaSource newer(settings);
  ok(newer.open(newer_listener));
  ok(poll_until(newer, seen, [&](const Batch&) { return !newer_listener.owned.empty(); }));
  const Status fenced = poll_until(older, seen, [](const Batch&) { return false; });
  EXPECT_EQ(fenced.remedy(), Remedy::rejoin) << fenced.message();
  EXPECT_THAT(fenced.message(), HasSubstr("same"));
  newer.close();
  ok(older.rejoin());
  ok(poll_until(older, seen, [&](const Batch&) { return listener.assignments == 2; }));
}

// The client says so once, and that word goes where the listener fails in the same poll: the member
// polled for ever, its partitions' state locked.
TEST_F(KafkaSourceTest, AMemberThatIsFencedWhileItsListenerFailsJoinsAgain) {
  const std::string input = topic("input");
  SourceSettings settings = reading({input});
  settings.instance = "same";
  KafkaSource newer(settings);
  std::atomic<bool> is_fenced = false;
  tell_when(is_fenced, "FATAL", settings);
  KafkaSource older(settings);
  std::vector<Seen> seen;
  ScriptedListener newer_listener;
  ScriptedListener listener;
  listener.on_assigned =
      [&](std::span<const InputPartition> partitions) -> Result<std::vector<Position>> {
    if (listener.assignments > 1) {
      return std::vector<Position>{{partitions[0], NextOffset(0)}};
    }
    ok(newer.open(newer_listener));
    ok(poll_until(newer, seen, [&](const Batch&) { return !newer_listener.owned.empty(); }));
    is_fenced.wait(false);
    return Status::retry("not now");
  };
  ok(older.open(listener));
  const Status fenced = poll_until(older, seen, [](const Batch&) { return false; });
  ASSERT_EQ(fenced.remedy(), Remedy::rejoin) << fenced.message();
  EXPECT_EQ(fenced.reason(), "fenced");
}

// It was handed the old topic, took that for nothing to do, and read nothing, for ever.
TEST_F(KafkaSourceTest, AStaticMemberThatTheGroupRemembersWithAnotherTopicReadsItsOwnInTheEnd) {
  const std::string before = topic("before");
  const std::string now = topic("now");
  SourceSettings settings = reading({before});
  settings.instance = "same";
  settings.session_silence_max = std::chrono::milliseconds(4000);
  fill(now, 3, 3);
  join_and_leave(settings);
  settings.inputs = {now};
  ScriptedListener listener;
  KafkaSource source(settings);
  ok(source.open(listener));
  std::vector<Seen> seen;
  std::set<std::string> said;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (seen.size() < 3 && std::chrono::steady_clock::now() < deadline) {
    const Result<Batch> batch = source.poll(std::chrono::milliseconds(100), 500);
    if (batch.is_ok()) {
      copy(batch.value(), seen);
    } else {
      EXPECT_EQ(batch.status().remedy(), Remedy::retry);
      said.insert(batch.status().message());
    }
  }
  EXPECT_THAT(seen, SizeIs(3));
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("remembers its member same with other topics")));
}

// The broker takes no offsets of a stranger while it remembers a member; a founder is none.
TEST_F(KafkaSourceTest, AGroupThatRemembersAStaticMemberCanBeFounded) {
  const std::string input = topic("input");
  SourceSettings settings = reading({input});
  settings.instance = "same";
  join_and_leave(settings);
  KafkaSource source(settings);
  const std::array beginning{OffsetToCommit{kFirst, NextOffset(0), "r"}};
  ok(until_done([&] { return source.found_group(beginning); }));
  const auto committed = until_done([&] { return source.committed(std::array{kFirst}); });
  ASSERT_TRUE(committed.is_ok()) << committed.status().message();
  EXPECT_EQ(committed.value()[0].next, NextOffset(0));
}

TEST_F(KafkaSourceTest, AnswersQuestionsAboutTheLog) {
  const std::string input = topic("input", 3);
  KafkaSource source(reading({input}));
  const auto empty = until_done([&] { return source.log_bounds(kFirst); });
  ASSERT_TRUE(empty.is_ok()) << empty.status().message();
  EXPECT_EQ(empty.value().end, NextOffset(0));
  {
    KafkaSink sink(writing({input}));
    ok(until_done([&] { return sink.open(); }));
    ok(sink.begin());
    ok(sink.send(std::array{record("k", "v", 100), record("k", "v", 200), record("k", "v", 300)}));
    ok(until_done([&] { return sink.flush(); }));
    // Open transaction: nothing to read yet.
    EXPECT_EQ(until_done([&] { return source.log_bounds(kFirst); }).value().end, NextOffset(0));
    ok(until_done([&] { return sink.commit(); }));
  }
  Result<LogBounds> bounds = until_done([&] { return source.log_bounds(kFirst); });
  while (bounds.value().end == NextOffset(0)) {
    bounds = until_done([&] { return source.log_bounds(kFirst); });
  }
  EXPECT_EQ(bounds.value().start, NextOffset(0));
  EXPECT_EQ(bounds.value().end, NextOffset(4));
  const auto at = [&](std::int64_t ms) {
    return until_done([&] { return source.offset_at(kFirst, Timestamp(1'700'000'000'000 + ms)); })
        .value();
  };
  EXPECT_EQ(at(0), NextOffset(0));
  EXPECT_EQ(at(200), NextOffset(1));
  EXPECT_EQ(at(201), NextOffset(2));
  // Nothing stamped so late but the control record at 3, stamped by the broker.
  EXPECT_EQ(at(301), NextOffset(3));
  EXPECT_EQ(at(4'000'000'000'000), NextOffset(4));

  const auto identity = until_done([&] { return source.identity(InputIndex(0)); });
  ASSERT_TRUE(identity.is_ok()) << identity.status().message();
  EXPECT_EQ(identity.value().topic, input);
  EXPECT_EQ(identity.value().partitions, 3);
  EXPECT_THAT(identity.value().topic_id, SizeIs(22));
  EXPECT_FALSE(identity.value().cluster_id.empty());
}

// Of several logs at once, as they are now: behind records that no one has fetched.
TEST_F(KafkaSourceTest, TellsWhereLogsEndWithoutThoseOfWhichNobodyCan) {
  const std::string input = topic("input", 3);
  KafkaSource source(reading({input, prefix + ".nowhere"}));
  const InputPartition second{InputIndex(0), Partition(1)};
  const InputPartition nowhere{InputIndex(1), Partition(0)};
  EXPECT_THAT(source.ends(std::array{kFirst}), testing::IsEmpty()) << "it has no client yet";
  ok(status_of(until_done([&] { return source.committed(std::array{kFirst}); })));
  const auto ends = [&] {
    std::map<InputPartition, std::int64_t> told;
    for (const Position& end : source.ends(std::array{kFirst, second, nowhere})) {
      told[end.where] = end.next.value();
    }
    return told;
  };
  fill(input, 2);
  fill(input, 5, 5, 1);
  // A transaction ends in a marker, which is there soon after its commit was answered.
  const std::map<InputPartition, std::int64_t> expected{{kFirst, 3}, {second, 6}};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (ends() != expected && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(ends(), expected);
  KafkaSink open(writing({input}));
  ok(until_done([&] { return open.open(); }));
  ok(open.begin());
  ok(open.send(std::array{record("k", "v")}));
  ok(until_done([&] { return open.flush(); }));
  EXPECT_EQ(ends(), expected) << "nobody can read what a transaction holds that is open";
  EXPECT_EQ(until_done([&] { return source.log_end(kFirst, std::nullopt); }).value(),
            NextOffset(4));
  EXPECT_EQ(until_done([&] { return source.log_end(second, std::nullopt); }).value(),
            NextOffset(6));
  const Timestamp future(253'370'764'800'000);
  EXPECT_EQ(until_done([&] { return source.log_end(kFirst, future); }).value(), NextOffset(4));
  const Timestamp all(1);
  EXPECT_EQ(until_done([&] { return source.log_end(kFirst, all); }).value(), NextOffset(0));
  // Where a group begins it must be able to stand.
  EXPECT_EQ(until_done([&] { return source.offset_at(kFirst, future); }).value(), NextOffset(3));
  ok(until_done([&] { return open.abort(); }));
}

TEST_F(KafkaSourceTest, ATopicCreatedAgainHasAnotherId) {
  const std::string input = topic("input");
  KafkaSource source(reading({input}));
  const auto before = until_done([&] { return source.identity(InputIndex(0)); });
  ASSERT_TRUE(before.is_ok()) << before.status().message();
  ok(until_done([&] { return admin->remove(input); }));
  const NewTopic again{input, 1, 1, {}};
  while (!admin->create(std::span(&again, 1)).is_ok()) {
  }
  // For a moment the broker may know of neither.
  Result<TopicIdentity> after = source.identity(InputIndex(0));
  while (!after.is_ok()) {
    after = source.identity(InputIndex(0));
  }
  EXPECT_NE(before.value().topic_id, after.value().topic_id);
  EXPECT_EQ(before.value().cluster_id, after.value().cluster_id);
}

// Lanes that start beside brokers that hang: the last one waited for all the others, and was taken
// for one that hangs.
TEST_F(KafkaSourceTest, AFounderDoesNotWaitForAnotherForLongerThanForTheBrokers) {
  SourceSettings settings = reading({"nothing"});
  settings.cluster.bootstrap = "127.0.0.1:1";
  settings.cluster.request_wait_max = std::chrono::seconds(2);
  const std::array beginning{OffsetToCommit{kFirst, NextOffset(0), ""}};
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    EXPECT_EQ(KafkaSource(settings).found_group(beginning).remedy(), Remedy::retry);
    is_over = true;
  });
  SourceSettings hurried = settings;
  hurried.cluster.request_wait_max = std::chrono::milliseconds(100);
  std::string said;
  while (!is_over && said.find("another lane is still at it") == said.npos) {
    said = KafkaSource(hurried).found_group(beginning).message();
  }
  other.join();
  EXPECT_THAT(said, HasSubstr("another lane is still at it"));
}

TEST_F(KafkaSourceTest, WithoutABrokerEveryCallReturnsAndSaysSo) {
  SourceSettings settings = reading({"nothing"});
  settings.cluster.bootstrap = "127.0.0.1:1";
  settings.cluster.request_wait_max = std::chrono::milliseconds(300);
  KafkaSource source(settings);
  ScriptedListener listener;
  ok(source.open(listener));
  const Result<Batch> batch = source.poll(std::chrono::milliseconds(2000), 10);
  ASSERT_TRUE(batch.is_ok()) << batch.status().message();
  EXPECT_TRUE(batch.value().records.empty());
  EXPECT_FALSE(source.is_reachable());
  const auto identity = source.identity(InputIndex(0));
  ASSERT_FALSE(identity.is_ok());
  EXPECT_EQ(identity.status().remedy(), Remedy::retry);
  EXPECT_EQ(source.committed(std::array{kFirst}).status().remedy(), Remedy::retry);
  EXPECT_EQ(source.log_bounds(kFirst).status().remedy(), Remedy::retry);
  source.close();
}

}  // namespace
}  // namespace weir
