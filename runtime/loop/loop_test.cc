// What the loop promises, one promise a test, over the simulated Kafka.
#include "loop/loop.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/lane_lab.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class LoopTest : public ::testing::Test {
 protected:
  LoopTest() { create_lab_topics(kafka_, 1); }

  void send(const std::string& value, std::int64_t timestamp = 1000) {
    SimRecord record;
    record.key = "k";
    record.value = value;
    record.timestamp = Timestamp(timestamp);
    kafka_.append(kLabInput, 0, std::move(record));
  }

  void start() {
    lane_ = std::make_unique<LabLane>(
        kafka_, stores_, settings_, "lab.v1.0.0",
        [this](std::string_view operation) { return fault(operation); }, probe_, deaths_path_);
  }

  // As kill -9: nothing is committed, closed or told.
  void crash() { lane_.reset(); }

  void expect_the_big_one_among_three_set_aside() {
    send("a:1");
    send("b:big");
    send("c:1");
    ASSERT_TRUE(run().is_ok());
    EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "c:1"));
    EXPECT_THAT(values(kLabDeadLetters), ElementsAre("b:big"));
    EXPECT_EQ(dead_letter_headers()["weir-reason"], "output_too_large");
  }

  // Enough calls for everything sent to be committed, or the stop that prevented it.
  Status run() {
    if (!lane_) {
      start();
    }
    for (int i = 0; i < 100; ++i) {
      WEIR_TRY(lane_->step());
    }
    return Status::ok();
  }

  // Runs, and is stopped so, with `words` in the message.
  void expect_stop(ExitCode exit_code, const std::string& words) {
    const Status stopped = run();
    ASSERT_FALSE(stopped.is_ok());
    EXPECT_EQ(stopped.exit_code(), exit_code);
    EXPECT_THAT(stopped.message(), HasSubstr(words));
  }

  std::vector<std::string> values(const std::string& topic) {
    std::vector<std::string> values;
    for (const auto& [offset, record] : kafka_.read(topic, 0)) {
      values.push_back(record.value.value_or("(null)"));
    }
    return values;
  }

  std::map<std::string, std::string> dead_letter_headers(std::size_t index = 0) {
    std::map<std::string, std::string> headers;
    const SimRecord letter = kafka_.read(kLabDeadLetters, 0).at(index).second;
    for (const auto& [name, value] : letter.headers) {
      headers[name] = value.value_or("(null)");
    }
    return headers;
  }

  // What the lab's lane commits with an offset.
  static std::string metadata(std::int64_t rebuild_from, std::int64_t time) {
    return CommitMetadata{
        NextOffset(rebuild_from), StreamTime(time), {}, {}, lab_settings().inputs[0].dedup_rule()}
        .print();
  }

  // Another member comes and goes.
  void leave_a_turn_open() {
    settings_.limits.turn_interval_max = std::chrono::hours(1);
    send("a:1");
    ASSERT_TRUE(run().is_ok());
  }

  void rebalance() {
    struct Nobody final : AssignmentListener {
      Result<std::vector<Position>> assigned(std::span<const InputPartition>) override {
        return std::vector<Position>();
      }

      void revoked(bool) override {}
    } nobody;

    ASSERT_TRUE(kafka_.source(kLabGroup, {kLabInput})->open(nobody).is_ok());
  }

  // The next call of `operation` fails with `failure`, then `times` - 1 more.
  void fail(const std::string& operation, Status failure, int times = 1) {
    faults_[operation] = {failure, times};
  }

  Status fault(std::string_view operation) {
    auto& [failure, times] = faults_[std::string(operation)];
    if (times == 0) {
      return Status::ok();
    }
    --times;
    return failure;
  }

  struct CountingProbe final : Probe {
    void brokers_asked() override {
      ++questions;
      on_asked();
    }

    void turn_committed(const TurnCounts& counts, std::chrono::nanoseconds) override {
      last = counts;
      ++commits;
    }

    void producer_recreated(std::string_view, std::string_view) override { ++recreations; }

    void consumer_rejoined(std::string_view, std::string_view) override { ++rejoins; }

    void turn_aborted(std::string_view) override { ++aborts; }

    void partitions_revoked(bool) override { ++revocations; }

    void step_took(Step step, std::chrono::nanoseconds) override {
      if (step == Step::transform) {
        on_transformed();
      }
    }

    void state_wiped(InputPartition, std::string_view) override { ++restores; }

    void partition_assigned(InputPartition, PartitionPhase, NextOffset, NextOffset,
                            StreamTime time) override {
      assigned_time = time;
    }

    void foreign_offset_taken(InputPartition, NextOffset next) override { foreign_offset = next; }

    void end_seen(InputPartition, NextOffset next) override { seen_end = next; }

    void end_remembered(InputPartition, NextOffset next) override { remembered_end = next; }

    TurnCounts last;
    std::optional<NextOffset> foreign_offset;
    std::optional<NextOffset> seen_end;
    std::optional<NextOffset> remembered_end;
    std::optional<StreamTime> assigned_time;
    std::function<void()> on_transformed = [] {};
    std::function<void()> on_asked = [] {};
    int questions = 0;
    int commits = 0;
    int aborts = 0;
    int restores = 0;
    int recreations = 0;
    int rejoins = 0;
    int revocations = 0;
  };

  SimKafka kafka_;
  MemoryStores stores_;
  LaneSettings settings_ = lab_settings();
  std::map<std::string, std::pair<Status, int>> faults_;
  CountingProbe probe_;
  std::string deaths_path_;
  std::unique_ptr<LabLane> lane_;
};

TEST_F(LoopTest, EmitsEachKeyOnceAndInOrder) {
  send("a:1");
  send("b:1");
  send("a:2");
  send("c:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1", "c:1"));
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(4));
}

TEST_F(LoopTest, AKeyMayTakeEffectAgainAfterTheWindow) {
  send("a:1", 1000);
  send("a:2", 1900);
  send("a:3", 4000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "a:3"));
}

TEST_F(LoopTest, RemembersAcrossACrash) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  send("a:2");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
}

TEST_F(LoopTest, RemembersAfterTheDiskIsLost) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_ = MemoryStores();
  send("a:2");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

TEST_F(LoopTest, EachRecordHasExactlyOneOutcome) {
  send("a:drop");
  send("b:throw");
  send("c:set_aside");
  send("d:nothing");
  send("undecodable");
  send(":keyless");
  send("e:twice");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("e:twice", "e:twice"));
  EXPECT_THAT(values(kLabDeadLetters),
              ElementsAre("b:throw", "c:set_aside", "d:nothing", "undecodable", ":keyless"));
  EXPECT_EQ(dead_letter_headers(0)["weir-reason"], "stage_exception");
  EXPECT_EQ(dead_letter_headers(2)["weir-reason"], "no_outcome");
  EXPECT_EQ(dead_letter_headers(3)["weir-reason"], "undecodable");
  EXPECT_EQ(dead_letter_headers(4)["weir-reason"], "missing_key");
}

TEST_F(LoopTest, WhatHasNoKeyPassesWhereSettingsSaySoAndIsNoDuplicate) {
  settings_.inputs[0].pass_without_key = true;
  for (const char* value : {":1", ":1", "a:1", "a:1"}) {
    send(value);
  }
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre(":1", ":1", "a:1"));
  EXPECT_THAT(values(kLabDeadLetters), IsEmpty());
}

TEST_F(LoopTest, ATurnCountsWhatCameTwiceAndWhatTheCodecFound) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  fail("redeliver", Status::abort("the client goes back"));
  send("b:unclean");
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.last.records_in, 1U);
  EXPECT_EQ(probe_.last.redeliveries, 1U);
  EXPECT_EQ(probe_.last.unknown_fields, 1U);
  EXPECT_EQ(probe_.last.cleaned_fields, 2U);
}

TEST_F(LoopTest, ADeadLetterTellsWhereItCameFrom) {
  send("a:1");
  send("b:throw", 1234);
  ASSERT_TRUE(run().is_ok());
  const auto headers = dead_letter_headers();
  EXPECT_THAT(headers,
              ::testing::IsSupersetOf({Pair("weir-topic", "in"), Pair("weir-partition", "0"),
                                       Pair("weir-offset", "1"), Pair("weir-timestamp", "1234"),
                                       Pair("weir-stage", "lab"), Pair("weir-version", "1"),
                                       Pair("weir-message", "asked to")}));
}

TEST_F(LoopTest, ADeadLettersMessageIsCutOff) {
  DeadLetters letters(settings_);
  const OutRecord letter =
      letters.make(RawRecord(), StreamTime(1), "stage_exception", std::string(10'000, 'x'));
  const auto message = std::find_if(letter.headers.begin(), letter.headers.end(),
                                    [](const Header& h) { return h.name == "weir-message"; });
  ASSERT_NE(message, letter.headers.end());
  EXPECT_EQ(message->value, std::string(4096, 'x'));
}

TEST_F(LoopTest, BytesOfDeadLettersMakeATurnDue) {
  settings_.limits.turn_interval_max = std::chrono::hours(1);
  settings_.limits.turn_bytes_max = 10;
  send("undecodable");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabDeadLetters), ElementsAre("undecodable"));
}

// Lag must show while the lane is behind, not only once it has caught up.
TEST_F(LoopTest, ACommitTellsTheEndThatIsNotReachedYet) {
  settings_.limits.turn_records_max = settings_.limits.batch_records_max;
  for (int i = 0; i < 20; ++i) {
    send("a:1");
  }
  start();
  for (int i = 0; i < 100 && probe_.commits == 0; ++i) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(7));
  EXPECT_EQ(probe_.remembered_end, NextOffset(20));
  EXPECT_EQ(probe_.seen_end, std::nullopt) << "the client may remember what was long ago";
}

TEST_F(LoopTest, AnAssignmentTellsTheStreamTimeThatWasCommitted) {
  send("a:1", 1500);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.assigned_time, StreamTime());
  crash();
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.assigned_time, StreamTime(1500));
}

class DeadlyRecord : public LoopTest {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }

  void TearDown() override { std::filesystem::remove(path_); }

  // Lives until the record is known, with b's rest in the middle; then one more.
  void live_with(const std::string& rest) {
    deaths_path_ = path_.string();
    send("a:1");
    send("b:" + rest);
    send("c:1");
    const auto has_died = [](int status) { return status != 0; };
    for (int life = 0; life < settings_.limits.deaths_max; ++life) {
      EXPECT_EXIT(static_cast<void>(run()), has_died, "") << life;
    }
    ASSERT_TRUE(run().is_ok());
    EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "c:1"));
    EXPECT_THAT(values(kLabDeadLetters), ElementsAre("b:" + rest));
    EXPECT_EQ(dead_letter_headers()["weir-reason"], "process_died");
  }

  const std::filesystem::path path_ =
      std::filesystem::temp_directory_path() / ("weir-loop-deaths-" + std::to_string(getpid()));
};

TEST_F(DeadlyRecord, IsSetAsideAloneAndForgottenOnceCommitted) {
  live_with("die");
  crash();
  const auto ledger = DeathLedger::open(deaths_path_);
  ASSERT_TRUE(ledger.is_ok());
  EXPECT_EQ(ledger.value()->deaths({{InputIndex(0), Partition(0)}, Offset(1)}), 0);
}

// As after the disk was lost: then it is read again, into the index only.
TEST_F(DeadlyRecord, OfTheStageIsInTheIndex) {
  live_with("die");
  send("b:a later copy");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "c:1"));
}

TEST_F(DeadlyRecord, OfTheCodecIsSetAsideUnread) {
  live_with("die_unread");
  EXPECT_THAT(dead_letter_headers()["weir-message"], HasSubstr("set aside unread"));
  send("b:a later copy");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "c:1", "b:a later copy"));
}

TEST_F(LoopTest, ADuplicateOfADeadLetterIsADuplicate) {
  send("a:throw");
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), IsEmpty());
  EXPECT_EQ(values(kLabDeadLetters).size(), 1U);
}

TEST_F(LoopTest, ARetriedDeadLetterIsNoDuplicateOfItselfUnlessRetriedTwiceAlike) {
  send("a:throw");
  for (const char* retry : {"1", "1", "2"}) {
    SimRecord record;
    record.value = "a:fine now";
    record.headers = {{"weir-retry", retry}};
    record.timestamp = Timestamp(1000);
    kafka_.append(kLabInput, 0, record);
  }
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:fine now", "a:fine now"));
}

TEST_F(LoopTest, HeadersPassInOrderWithoutOurOwn) {
  SimRecord record;
  record.value = "a:1";
  record.headers = {{"x", "1"}, {"weir-reason", "old"}, {"x", std::nullopt}, {"y", "2"}};
  kafka_.append(kLabInput, 0, record);
  ASSERT_TRUE(run().is_ok());
  const SimRecord out = kafka_.read(kLabOutput, 0).at(0).second;
  EXPECT_THAT(out.headers,
              ElementsAre(Pair("x", ::testing::Optional(std::string("1"))), Pair("x", std::nullopt),
                          Pair("y", ::testing::Optional(std::string("2")))));
}

TEST_F(LoopTest, OutputsCarryStreamTimeNotTheRecordsOwn) {
  send("a:1", 5000);
  send("b:1", 3000);
  send("c:1", -1);
  ASSERT_TRUE(run().is_ok());
  std::vector<std::int64_t> times;
  for (const auto& [offset, record] : kafka_.read(kLabOutput, 0)) {
    times.push_back(record.timestamp.value());
  }
  EXPECT_THAT(times, ElementsAre(5000, 5000, 5000));
}

TEST_F(LoopTest, AnUnstampedTopicGetsTheSmallestTimestampThatIsNotNow) {
  send("a:1", 0);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(kafka_.read(kLabOutput, 0).at(0).second.timestamp, Timestamp(1));
}

TEST_F(LoopTest, ATurnOfDuplicatesOnlyCommitsItsOffsets) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(2));
}

TEST_F(LoopTest, LagReachesZeroPastControlRecords) {
  send("a:1");
  kafka_.append_aborted(kLabInput, 0, {});
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(3));
}

TEST_F(LoopTest, NothingToDoOpensNoTransaction) {
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.commits, 0);
}

TEST_F(LoopTest, AnAbortedTurnIsRepeatedOnce) {
  fail("send_offsets", Status::abort("the group has moved on"));
  send("a:1", 1000);
  send("b:1", 9000);
  send("a:2", 1000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1", "a:2"));
}

// It asked for the same call again and again, which could not succeed any more.
TEST_F(LoopTest, AFailureWhileItStartsIsRecoveredFromAsAnyOther) {
  for (const Status& failure : {Status::retry("away"), Status::recreate("fenced", "fenced"),
                                Status::rejoin("fenced", "fenced"), Status::abort("not now")}) {
    send("a:" + failure.message());
    crash();
    fail("committed", failure);
    ASSERT_TRUE(run().is_ok());
  }
  EXPECT_EQ(probe_.recreations, 1);
  EXPECT_EQ(probe_.rejoins, 1);
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(4));
}

TEST_F(LoopTest, ACommitWithoutAnswerIsOnlyEverTriedAgain) {
  fail("commit", Status::retry("timed out"), 3);
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

TEST_F(LoopTest, ACommitOfUnknownOutcomeThatHappenedIsNotRepeated) {
  fail("commit_answer", Status::recreate("other", "connection lost"));
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  send("a:2");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
  EXPECT_EQ(probe_.recreations, 1);
}

// Each time that the broker was asked in vain another producer was made and counted.
TEST_F(LoopTest, AProducerIsMadeAnewOnceHoweverLongTheOffsetsAreNotTold) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  fail("commit_answer", Status::recreate("other", "connection lost"));
  fail("committed", Status::retry("a transaction hasn't ended"), 5);
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
  EXPECT_EQ(probe_.recreations, 1);
}

TEST_F(LoopTest, ACommitOfUnknownOutcomeThatDidNotHappenIsRepeated) {
  fail("commit", Status::recreate("other", "connection lost"));
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// The revocation of leaving flushed a transaction that the new producer didn't have.
TEST_F(LoopTest, LeavingWhileTheProducerIsMadeAnewLeavesTheTurnAlone) {
  fail("flush", Status::recreate("other", "connection lost"));
  fail("recreate", Status::retry("away"), 1000);
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(lane_->drain().message(), "connection lost");
  faults_.clear();
  crash();
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// It was said to be left open, and the next start found it committed.
TEST_F(LoopTest, ATurnThatLeavingCommitsIsNotLeft) {
  leave_a_turn_open();
  fail("commit", Status::retry("away"), 2);
  ASSERT_FALSE(lane_->loop().drain().is_ok());
  EXPECT_TRUE(lane_->loop().leave().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// While brokers are silent, a lane that never gave up would hold its group for ever.
TEST_F(LoopTest, ARevocationTriesToCommitForAWhileOnly) {
  leave_a_turn_open();
  fail("commit", Status::retry("away"), 1'000'000);
  std::chrono::milliseconds waited{0};
  probe_.on_asked = [&] {
    if (probe_.revocations == 0) {
      lane_->clock().advance(std::chrono::milliseconds(500));
      waited += std::chrono::milliseconds(500);
    }
  };
  rebalance();
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(waited, settings_.limits.revoke_wait_max);
  EXPECT_EQ(probe_.revocations, 1);
  EXPECT_THAT(values(kLabOutput), IsEmpty());
  faults_.clear();
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.recreations, 1);
  ASSERT_TRUE(lane_->drain().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// It was said to be drained.
TEST_F(LoopTest, ATurnThatARevocationCouldNotEndIsLeftUntilItIsRecoveredFrom) {
  leave_a_turn_open();
  fail("commit", Status::retry("away"), 1'000'000);
  probe_.on_asked = [&] { lane_->clock().advance(std::chrono::milliseconds(500)); };
  rebalance();
  ASSERT_TRUE(lane_->step().is_ok());
  ASSERT_EQ(probe_.revocations, 1);
  EXPECT_FALSE(lane_->loop().leave().is_ok());
}

TEST_F(LoopTest, ATurnThatLeavingCannotCommitIsLeft) {
  leave_a_turn_open();
  fail("commit", Status::retry("away"), 1'000'000);
  probe_.on_asked = [&] { lane_->clock().advance(std::chrono::milliseconds(500)); };
  ASSERT_FALSE(lane_->loop().drain().is_ok());
  const Status left = lane_->loop().leave();
  ASSERT_FALSE(left.is_ok());
  EXPECT_EQ(left.message(), "away");
  EXPECT_THAT(values(kLabOutput), IsEmpty());
}

TEST_F(LoopTest, ATurnOfLostPartitionsIsNotCommitted) {
  leave_a_turn_open();
  fail("session", Status::abort("it slept past its session"));
  fail("send_offsets", Status::abort("not its partitions"), 1'000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(faults_["send_offsets"].second, 1'000) << "nothing was tried";
  EXPECT_EQ(probe_.aborts, 1);
  faults_.clear();
  ASSERT_TRUE(lane_->drain().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// A late copy of its commit could end the next transaction, which the same poll's records begin.
TEST_F(LoopTest, ADoubtThatARevocationLeavesIsSettledBeforeTheNextTransaction) {
  ASSERT_TRUE(run().is_ok());
  send("a:1");
  ASSERT_TRUE(lane_->step().is_ok());
  rebalance();
  send("b:1");
  fail("commit_copy", Status::abort("kept"));
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.recreations, 1);
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
}

// The new assignment asked for offsets that the turn's own transaction held back, until the broker
// gave that up.
TEST_F(LoopTest, ATurnThatARevocationCouldNotEndIsCutOffBeforeTheNextAssignment) {
  ASSERT_TRUE(run().is_ok());
  send("a:1");
  ASSERT_TRUE(lane_->step().is_ok());
  rebalance();
  fail("commit", Status::recreate("other", "connection lost"));
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

TEST_F(LoopTest, AnOutputThatTheBrokerRefusesBecomesADeadLetter) {
  expect_the_big_one_among_three_set_aside();
}

TEST_F(LoopTest, WhatIsKnownToBeRefusedCostsNoTransaction) {
  kafka_ = SimKafka();
  kafka_.create_topic(kLabInput);
  kafka_.create_topic(kLabOutput, {.partitions = 1, .record_bytes_max = 1000});
  kafka_.create_topic(kLabDeadLetters);
  expect_the_big_one_among_three_set_aside();
  EXPECT_EQ(probe_.aborts, 0);
  EXPECT_EQ(probe_.last.output_bytes, std::string("a:1b:bigc:1").size());
}

TEST_F(LoopTest, ADeadLetterThatTheBrokerRefusesStops) {
  kafka_ = SimKafka();
  kafka_.create_topic(kLabInput);
  kafka_.create_topic(kLabOutput);
  kafka_.create_topic(kLabDeadLetters, {.partitions = 1, .record_bytes_max = 3});
  send("a:throw");
  expect_stop(ExitCode::config, "in partition 0 offset 0");
  expect_stop(ExitCode::config, "max.message.bytes");
}

// The advice was to raise its limits of size.
TEST_F(LoopTest, ADeadLetterThatTheBrokerRefusesForItsTimestampStops) {
  kafka_ = SimKafka();
  kafka_.create_topic(kLabInput);
  kafka_.create_topic(kLabOutput);
  kafka_.create_topic(kLabDeadLetters, {.partitions = 1, .timestamp_max = Timestamp(1000)});
  send("a:throw", 1001);
  expect_stop(ExitCode::config, "set message.timestamp.type=LogAppendTime of the dead letters'");
}

TEST_F(LoopTest, BeginsWhereStartSaysOnlyTheFirstTime) {
  settings_.inputs[0].start.kind = Start::Kind::latest;
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("b:1"));
}

TEST_F(LoopTest, BeginsAtATimestamp) {
  settings_.inputs[0].start = {Start::Kind::timestamp, Timestamp(2000)};
  send("a:1", 1000);
  send("b:1", 2000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("b:1"));
}

TEST_F(LoopTest, RunsUntilATimeAndGoesOnFromThere) {
  settings_.until = Timestamp(2000);
  send("a:1", 1000);
  kafka_.append_aborted(kLabInput, 0, {});
  send("b:1", 2000);
  send("c:1", 1999);
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(3)) << "just before b";
  crash();
  stores_ = MemoryStores();  // what is restored lies past the time
  settings_.until = Timestamp(1000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(3)) << "never back";
  crash();
  settings_.until.reset();
  send("a:2", 2000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1", "c:1"));
}

// It waited for ever: the records to restore from lay past its end, those to the end before it.
TEST_F(LoopTest, AnEndBeforeTheCommittedOffsetIsReachedOnceTheStateIsRestored) {
  send("a:1", 1000);
  send("b:1", 1100);
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_ = MemoryStores();
  settings_.until = Timestamp(1000);
  send("a:2", 1200);
  ASSERT_TRUE(run().is_ok());
  EXPECT_TRUE(lane_->loop().has_reached_end());
  EXPECT_TRUE(lane_->loop().is_ready());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
  EXPECT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(2));
}

TEST_F(LoopTest, StateAheadOfTheCommittedOffsetStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(0), metadata(0, 0));
  expect_stop(ExitCode::broken, "covers offsets below 1");
}

TEST_F(LoopTest, StateAheadOfTheCommittedTimeStopsThoughTheOffsetIsTheSame) {
  send("a:1", 1000);
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), metadata(0, 999));
  expect_stop(ExitCode::broken,
              "up to stream time 1000, but the group committed 1, "
              "at stream time 999");
}

TEST_F(LoopTest, StateAheadOfTheCommittedTimeStopsThoughItsOffsetIsBehind) {
  send("a:1", 1000);
  ASSERT_TRUE(run().is_ok());
  crash();
  send("b:1", 500);
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(2), metadata(0, 999));
  expect_stop(ExitCode::broken,
              "covers offsets below 1, up to stream time 1000, but the group committed 2, "
              "at stream time 999");
}

TEST_F(LoopTest, StateBehindTheCommittedTimeStopsWhereTheOffsetIsTheSame) {
  send("a:1", 1000);
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), metadata(0, 1001));
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.exit_code(), ExitCode::broken);
}

TEST_F(LoopTest, StateThatCannotBeReadIsRebuiltFromTheLog) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_.damage();
  send("a:2");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
}

// The store opened, what was read from it then couldn't be: it was tried again for ever.
TEST_F(LoopTest, StateWhoseBeginningCannotBeReadIsRebuiltFromTheLog) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_.fail_next_load(Status::restore("a block is damaged"));
  send("a:2");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
  EXPECT_EQ(probe_.restores, 1);
}

TEST_F(LoopTest, StateThatCannotBeWrittenAnyMoreIsRebuiltFromTheLog) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  stores_.fail_next_write(Status::restore("a checksum is wrong"));
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  send("a:2");
  send("b:2");
  send("c:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1", "c:1"));
  EXPECT_EQ(probe_.restores, 1);
}

// Where topics have no ids (a cluster that is spoken to over TLS), this is what tells them apart.
TEST_F(LoopTest, ALogThatShowsAnotherTimeAtTheCommittedOffsetStops) {
  send("a:1", 1000);
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_ = MemoryStores();
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), metadata(0, 1001));
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.exit_code(), ExitCode::broken);
  EXPECT_THAT(stopped.message(), HasSubstr("it is not the same log"));
  // It went on with what it had read in the life before, as if that were the truth.
  crash();
  const Status again = run();
  ASSERT_FALSE(again.is_ok());
  EXPECT_EQ(again.exit_code(), ExitCode::broken);
  EXPECT_THAT(again.message(), HasSubstr("the state is another log's"));
}

TEST_F(LoopTest, AnOffsetPastTheEndOfTheLogStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(7), metadata(0, 1000));
  expect_stop(ExitCode::bad_input, "lost its tail");
}

// Batch work would have ended with 0 and left the turn undone.
TEST_F(LoopTest, TheEndThatWasReachedInATurnThatFailedIsNotReached) {
  start();
  for (int i = 0; i < 100 && !lane_->loop().has_reached_end(); ++i) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_TRUE(lane_->loop().has_reached_end());
  fail("send_offsets", Status::abort("the group has moved on"));
  send("a:1");
  for (int i = 0; i < 100 && probe_.aborts == 0; ++i) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_EQ(probe_.aborts, 1);
  EXPECT_FALSE(lane_->loop().has_reached_end());
  ASSERT_TRUE(run().is_ok());
  EXPECT_TRUE(lane_->loop().has_reached_end());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

TEST_F(LoopTest, TheEndThatWasReachedAsAnotherMemberIsNotReached) {
  send("a:1");
  fail("send_offsets", Status::rejoin("fenced", "fenced"));
  start();
  for (int i = 0; i < 100 && probe_.rejoins == 0; ++i) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_EQ(probe_.rejoins, 1);
  EXPECT_FALSE(lane_->loop().has_reached_end());
  EXPECT_FALSE(lane_->loop().is_ready());
  ASSERT_TRUE(run().is_ok());
  EXPECT_TRUE(lane_->loop().has_reached_end());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

TEST_F(LoopTest, UnreadRecordsThatRetentionDeletedStop) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  send("b:1");
  send("c:1");
  kafka_.delete_below(kLabInput, 0, NextOffset(2));
  expect_stop(ExitCode::bad_input, "deleted unread");
}

TEST_F(LoopTest, AWindowThatCannotBeRebuiltStops) {
  send("a:1", 1000);
  send("b:1", 1000);
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_ = MemoryStores();
  kafka_.delete_below(kLabInput, 0, NextOffset(1));
  expect_stop(ExitCode::bad_input, "can't be rebuilt");
}

TEST_F(LoopTest, ARecreatedTopicIsNotTakenForTheOldOne) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.recreate_topic(kLabInput);
  send("a:1");
  expect_stop(ExitCode::bad_input, "created again");
}

TEST_F(LoopTest, ATopicRecreatedUnderARunningLaneStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.recreate_topic(kLabInput);
  lane_->clock().advance(std::chrono::seconds(30));
  expect_stop(ExitCode::bad_input, "deleted and created again");
}

// The next start went on in the new topic: what was below the committed offset was never read.
TEST_F(LoopTest, ARecreatedTopicIsNotTakenForTheOldOneWithoutADiskEither) {
  for (const bool dedups : {false, true}) {
    kafka_ = SimKafka();
    create_lab_topics(kafka_, 1);
    stores_ = MemoryStores();
    settings_ = lab_settings();
    if (!dedups) {
      settings_.inputs[0].dedup.reset();
    }
    send("a:1");
    ASSERT_TRUE(run().is_ok());
    kafka_.recreate_topic(kLabInput);
    send("b:1");
    send("c:1");
    for (int life = 0; life < 2; ++life) {
      crash();
      stores_ = MemoryStores();
      const Status stopped = run();
      ASSERT_FALSE(stopped.is_ok()) << dedups << life;
      EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
      EXPECT_THAT(stopped.message(), HasSubstr("deleted and created again"));
    }
    crash();
  }
}

// Kafka lets any consumer of the group commit; what the other had read got lost.
TEST_F(LoopTest, AnOffsetThatAnotherConsumerMovedUnderALaneStopsItWhereDedupIsOff) {
  settings_.inputs[0].dedup.reset();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(1);
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  send("b:1");
  send("c:1");
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(2), "");
  rebalance();
  expect_stop(ExitCode::bad_input,
              "offset 2 was not set by weir (metadata \"\"), "
              "where this process was at 1");
}

// What it had committed itself since was forgotten.
TEST_F(LoopTest, AnOffsetThatIsSetBackToWhereALaneBeganStopsItToo) {
  settings_.inputs[0].dedup.reset();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(1);
  send("a:1");
  send("b:1");
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  ASSERT_TRUE(run().is_ok());
  ASSERT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(2));
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  send("c:1");
  fail("flush", Status::recreate("other", "connection lost"));
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("where this process was at 2"));
}

// The lane to which the partition went trusted the same number once more, and doubled all that the
// first had done from there.
TEST_F(LoopTest, AnOffsetIsTrustedOnceByAllLanesOfAProcess) {
  settings_.inputs[0].dedup.reset();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(1);
  settings_.left_at = std::make_shared<OffsetsLeft>();
  send("a:1");
  send("b:1");
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  ASSERT_TRUE(run().is_ok());
  rebalance();
  ASSERT_TRUE(run().is_ok());
  lane_.reset();  // the next is another lane of the process
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  expect_stop(ExitCode::bad_input, "where this process was at 2");
  crash();
  settings_.left_at = std::make_shared<OffsetsLeft>();
  EXPECT_TRUE(run().is_ok()) << "the next process is told anew";
}

// By its own mark an offset that is set back would be trusted again, and what the other lane did
// from there be doubled.
TEST_F(LoopTest, ALaneThatLearnsLateOfItsLossForgetsNothingOfWhatAnotherDidSince) {
  settings_.inputs[0].dedup.reset();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(1);
  settings_.left_at = std::make_shared<OffsetsLeft>();
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  fail("session", Status::retry("it slept"));
  fail("heartbeat", Status::retry("it hasn't heard"));
  ASSERT_TRUE(lane_->step().is_ok());
  send("b:1");
  LabLane other(kafka_, stores_, settings_, "lab.v1.0.1", {}, probe_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(other.step().is_ok());
  }
  ASSERT_TRUE(other.drain().is_ok());
  ASSERT_EQ(kafka_.committed(kLabGroup, kLabInput, 0), NextOffset(2));
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  expect_stop(ExitCode::bad_input, "where this process was at 2");
}

// The next start took it for a person's, who knew why.
TEST_F(LoopTest, AnOffsetSetByOtherToolsIsTakenOnceAndByOrderWhereDedupIsOff) {
  settings_.inputs[0].dedup.reset();
  send("a:1");
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(1), "");
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
  EXPECT_THAT(stopped.message(), HasSubstr("run once with --trust-offset in/PARTITION=OFFSET"));
  crash();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(0);
  expect_stop(ExitCode::bad_input, "and --trust-offset says 0");
  crash();
  settings_.trusted_offsets[{kLabInput, 0}] = NextOffset(1);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.foreign_offset, NextOffset(1));
  EXPECT_EQ(probe_.commits, 1) << "and is ours";
  lane_->clock().advance(settings_.limits.idle_commit_interval_min);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.commits, 1) << "once";
  crash();
  settings_.trusted_offsets.clear();
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("b:1"));
}

TEST_F(LoopTest, EachQuestionToTheBrokersIsTold) {
  constexpr int kPartitions = 9;
  kafka_.add_partitions(kLabInput, kPartitions - 1);
  start();
  ASSERT_TRUE(lane_->step().is_ok());  // founds the group: where each log starts
  EXPECT_GE(probe_.questions, kPartitions);
  const int founded = probe_.questions;
  ASSERT_TRUE(run().is_ok());  // is assigned: what each log holds
  EXPECT_GE(probe_.questions, founded + kPartitions);
}

// They were asked about every topic, which took minutes; a signal had to wait for it.
TEST_F(LoopTest, BrokersThatAreSilentAreNotAskedAboutTheOtherTopics) {
  ASSERT_TRUE(run().is_ok());
  lane_->clock().advance(settings_.limits.topics_checked_every);
  fail("identity", Status::retry("no answer"), 1'000'000);
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(faults_["identity"].second, 1'000'000 - 1);
}

// While a stage hung on them, the lag was 0.
TEST_F(LoopTest, WhereALogEndsIsToldBeforeTheStageIsDoneWithIt) {
  send("a:1");
  fail("begin", Status::retry("nothing begins"), 1'000'000);
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.remembered_end, NextOffset(1));
  EXPECT_EQ(probe_.seen_end, NextOffset(1));
  EXPECT_EQ(probe_.commits, 0);
}

// A slow stage whose client had fetched enough read as ever less behind, the faster it fell behind.
TEST_F(LoopTest, WhereALogEndsIsAskedWhileThereIsMoreToRead) {
  settings_.limits.batch_records_max = 1;
  settings_.limits.turn_records_max = 1;
  send("a:1");
  send("b:1");
  start();
  while (probe_.commits == 0) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_EQ(probe_.remembered_end, NextOffset(2));
  send("c:1");
  fail("poll", Status::retry("nothing comes"), 1'000'000);
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(probe_.seen_end, std::nullopt);
  lane_->clock().advance(std::chrono::seconds(30));
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(probe_.seen_end, NextOffset(3));
}

TEST_F(LoopTest, AnOutputRecreatedWhileTheLaneIsStoppedStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.recreate_topic(kLabOutput);
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
  EXPECT_THAT(stopped.message(), HasSubstr("output out: topic out.v1 (id "));
  EXPECT_THAT(stopped.message(),
              HasSubstr("deploy a new version (raise `version:`), which writes all of it again"));
}

// `before`: what was committed of the outputs. It has one, "out".
struct OutputsCommitted {
  const char* name;
  std::vector<WrittenTopic> before;
  const char* words;  // nullptr: it goes on
};

class OutputsOfBefore : public LoopTest, public ::testing::WithParamInterface<OutputsCommitted> {};

TEST_P(OutputsOfBefore, AreComparedByName) {
  CommitMetadata committed{
      NextOffset(0), StreamTime(), {}, GetParam().before, lab_settings().inputs[0].dedup_rule()};
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(0), committed.print());
  const Status done = run();
  ASSERT_EQ(done.is_ok(), GetParam().words == nullptr) << done.message();
  if (!done.is_ok()) {
    EXPECT_EQ(done.exit_code(), ExitCode::bad_input);
    EXPECT_THAT(done.message(), HasSubstr(GetParam().words));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Loop, OutputsOfBefore,
    ::testing::Values(OutputsCommitted{"none_it_was_added", {}, nullptr},
                      OutputsCommitted{"another_it_is_no_more", {{"more", "77", 9}}, nullptr},
                      OutputsCommitted{"another_topic", {{"out", "77", 1}}, "Name that one again"},
                      OutputsCommitted{"another_topic_behind_a_good_one",
                                       {{"more", "1", 1}, {"out", "77", 1}},
                                       "Name that one again"},
                      OutputsCommitted{"an_id_nobody_could_ask_for", {{"out", "", 1}}, nullptr},
                      OutputsCommitted{
                          "fewer_partitions", {{"out", "", 3}}, "had 3 partitions and has 1"}),
    [](const auto& param) { return param.param.name; });

// One life in which no id could be asked for forgot which topics held the outputs.
TEST_F(LoopTest, AnOutputRecreatedAfterALifeWithoutIdsStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.hide_topic_ids();
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.hide_topic_ids(false);
  kafka_.recreate_topic(kLabOutput);
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
}

TEST_F(LoopTest, AnOutputRecreatedUnderARunningLaneStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.recreate_topic(kLabOutput);
  lane_->clock().advance(std::chrono::seconds(30));
  expect_stop(ExitCode::bad_input, "topic out.v1 was deleted and created again");
}

TEST_F(LoopTest, PartitionsAddedToAnOutputUnderARunningLaneStop) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.add_partitions(kLabOutput, 1);
  lane_->clock().advance(std::chrono::seconds(30));
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("topic out.v1 had 1 partitions and has 2"));
  EXPECT_THAT(stopped.message(), HasSubstr("which writes all of it again"));
}

TEST_F(LoopTest, AnOutputRecreatedBeforeTheFirstTurnStops) {
  start();
  ASSERT_TRUE(lane_->step().is_ok());  // founds the group
  crash();
  kafka_.recreate_topic(kLabOutput);
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("Name that one again"));
}

TEST_F(LoopTest, AClusterThatTellsNoTopicIdsAnyMoreStopsNothing) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.hide_topic_ids();
  lane_->clock().advance(std::chrono::seconds(30));
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  send("c:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1", "c:1"));
}

// As where what spoke to the cluster before could not ask for them.
TEST_F(LoopTest, ADeploymentOfUnknownTopicsGoesOnWhenTheirIdsAreTold) {
  kafka_.hide_topic_ids();
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.hide_topic_ids(false);
  send("a:1");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
  crash();
  kafka_.recreate_topic(kLabOutput);
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("Name that one again"));
}

TEST_F(LoopTest, AnIdToldToARunningLaneCountsFromThenOn) {
  kafka_.hide_topic_ids();
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.hide_topic_ids(false);
  lane_->clock().advance(std::chrono::seconds(30));
  ASSERT_TRUE(run().is_ok());
  kafka_.hide_topic_ids();
  lane_->clock().advance(std::chrono::seconds(30));
  ASSERT_TRUE(run().is_ok());
  fail("poll", Status::rejoin("fenced", "fenced"));
  ASSERT_TRUE(run().is_ok());
  kafka_.recreate_topic(kLabOutput);
  kafka_.hide_topic_ids(false);
  lane_->clock().advance(std::chrono::seconds(30));
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("topic out.v1 was deleted and created again"));
}

// People empty it when they have dealt with what was in it.
TEST_F(LoopTest, DeadLettersWhoseTopicIsRecreatedStopNothing) {
  send("a:throw");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.recreate_topic(kLabDeadLetters);
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("b:1"));
}

// Its deletion makes the group assign anew, and the new topic was taken for what had been there.
TEST_F(LoopTest, ATopicRecreatedBeforeItIsAssignedAgainStops) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.recreate_topic(kLabInput);
  fail("poll", Status::rejoin("fenced", "fenced"));
  expect_stop(ExitCode::bad_input, "deleted and created again");
}

TEST_F(LoopTest, PartitionsAddedUnderARunningLaneStop) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.add_partitions(kLabInput, 1);
  lane_->clock().advance(std::chrono::seconds(30));
  expect_stop(ExitCode::bad_input, "had 1 partitions and has 2");
}

TEST_F(LoopTest, OffsetsLostUnderARunningLaneStop) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  kafka_.forget_committed(kLabGroup);
  lane_->clock().advance(std::chrono::seconds(30));
  expect_stop(ExitCode::bad_input, "lost its committed offset for in partition 0");
}

TEST_F(LoopTest, AnOffsetSetByOtherToolsStopsWhereDedupIsOn) {
  kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(0), "");
  const Status stopped = run();
  ASSERT_FALSE(stopped.is_ok());
  EXPECT_THAT(stopped.message(), HasSubstr("not set by weir"));
}

// It began anew: everything came twice, or with `start: latest` the unread was skipped.
TEST_F(LoopTest, AGroupThatLostItsOffsetsDoesNotBeginAnew) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  kafka_.forget_committed(kLabGroup);
  const MemoryStores kept = stores_;
  for (const bool disk_is_lost : {false, true}) {
    for (const bool dedups : {false, true}) {
      stores_ = disk_is_lost ? MemoryStores() : kept;
      settings_ = lab_settings();
      if (!dedups) {
        settings_.inputs[0].dedup.reset();
      }
      crash();
      const Status stopped = run();
      ASSERT_FALSE(stopped.is_ok());
      EXPECT_EQ(stopped.exit_code(), ExitCode::bad_input);
      EXPECT_THAT(stopped.message(), HasSubstr("no committed offset, but its outputs hold"));
      const bool says_how_to_set_it =
          stopped.message().find("--group lab.v1 --topic in:PARTITION --reset-offsets") !=
          std::string::npos;
      EXPECT_EQ(says_how_to_set_it, !dedups) << stopped.message();
    }
  }
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1"));
}

// Only the state on disk was bound to the rule; a lost disk, or off and on again, went unnoticed.
TEST_F(LoopTest, AnotherDedupRuleNeedsAnotherVersionEvenIfTheDiskIsLost) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  const std::vector<std::function<void(InputSettings&)>> changes{
      [](InputSettings& input) { input.dedup->length *= 2; },
      [](InputSettings& input) { input.dedup->buckets *= 2; },
      [](InputSettings& input) { input.key_rule = "fields:other"; },
      [](InputSettings& input) { input.dedup.reset(); }};
  for (const auto& change : changes) {
    stores_ = MemoryStores();
    settings_ = lab_settings();
    change(settings_.inputs[0]);
    crash();
    const Status stopped = run();
    ASSERT_FALSE(stopped.is_ok());
    EXPECT_EQ(stopped.exit_code(), ExitCode::config);
    EXPECT_THAT(stopped.message(), HasSubstr("with dedup 1s in 4 buckets, key fields:key, and"));
  }
}

TEST_F(LoopTest, StateThatCantBeReadInTheMiddleOfATurnIsRebuiltAndTheTurnRepeatedOnce) {
  settings_.limits.turn_interval_max = std::chrono::hours(1);
  ASSERT_TRUE(run().is_ok());
  std::vector<std::string> expected;
  for (int i = 0; i < 20; ++i) {
    send(expected.emplace_back(std::to_string(i) + ":1"));
  }
  stores_.fail_next_find(Status::restore("a block is damaged"), 1);
  ASSERT_TRUE(run().is_ok());
  ASSERT_TRUE(lane_->drain().is_ok());
  EXPECT_EQ(probe_.restores, 1);
  EXPECT_EQ(values(kLabOutput), expected);
}

TEST_F(LoopTest, AFailureInMidRestoreLeavesNothingOutOfTheIndex) {
  for (int i = 0; i < 6; ++i) {
    send(std::to_string(i) + ":1");
  }
  ASSERT_TRUE(run().is_ok());
  const std::vector<std::string> before = values(kLabOutput);
  crash();
  stores_ = MemoryStores();
  settings_.limits.batch_records_max = 2;
  stores_.fail_next_find(Status::retry("the disk is slow"), 1);
  ASSERT_TRUE(run().is_ok());
  ASSERT_TRUE(lane_->loop().is_ready());
  for (int i = 0; i < 6; ++i) {
    send(std::to_string(i) + ":a later copy");
  }
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(values(kLabOutput), before);
  EXPECT_EQ(probe_.restores, 0) << "what was restored before stays";
}

// All that the lane owned was wiped, and what the log doesn't hold any more ended it.
TEST(Loop, OnePartitionsDamagedStateIsRebuiltAndTheOthersKept) {
  SimKafka kafka;
  create_lab_topics(kafka, 2);
  const auto send = [&](std::int32_t partition, const std::string& value) {
    SimRecord record;
    record.value = value;
    record.timestamp = Timestamp(1000);
    kafka.append(kLabInput, partition, std::move(record));
  };
  MemoryStores stores;
  Probe probe;
  LabLane lane(kafka, stores, lab_settings(), "lab.v1.0.0", {}, probe);
  const auto run = [&] {
    Status done;
    for (int i = 0; i < 100 && done.is_ok(); ++i) {
      done = lane.step();
    }
    return done;
  };
  send(0, "a:1");
  send(1, "b:1");
  send(1, "c:1");
  ASSERT_TRUE(run().is_ok());
  kafka.delete_below(kLabInput, 1, NextOffset(1));  // no harm while its state is here
  send(0, "d:1");
  stores.fail_next_find(Status::restore("a block is damaged"));
  const Status done = run();
  EXPECT_TRUE(done.is_ok()) << done.message();
  EXPECT_EQ(kafka.committed(kLabGroup, kLabInput, 0), NextOffset(2));
}

TEST_F(LoopTest, ATurnBeginsWithItsFirstRecordNotAfterItsFirstBatch) {
  settings_.limits.turn_interval_max = std::chrono::seconds(2);
  ASSERT_TRUE(run().is_ok());
  probe_.on_transformed = [this] { lane_->clock().advance(std::chrono::seconds(3)); };
  send("a:1");
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(probe_.commits, 1);
}

TEST_F(LoopTest, WhatIsRestoredBeginsNoTurn) {
  send("a:1");
  send("b:1");
  ASSERT_TRUE(run().is_ok());
  crash();
  stores_ = MemoryStores();
  settings_.limits.batch_records_max = 1;
  settings_.limits.turn_interval_max = std::chrono::milliseconds(0);
  probe_.commits = 0;
  ASSERT_TRUE(run().is_ok());
  EXPECT_EQ(probe_.commits, 0);
  EXPECT_EQ(lane_->loop().is_ready(), true);
}

TEST_F(LoopTest, DedupOffPassesDuplicates) {
  settings_.inputs[0].dedup.reset();
  send("a:1");
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "a:1"));
}

TEST_F(LoopTest, ASecondLaneTakesOverWhatTheFirstLeaves) {
  send("a:1");
  ASSERT_TRUE(run().is_ok());
  ASSERT_TRUE(lane_->drain().is_ok());
  MemoryStores other_disk;
  LabLane second(kafka_, other_disk, settings_, "lab.v1.0.1", {}, probe_);
  send("a:2");
  send("b:1");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(second.step().is_ok());
  }
  EXPECT_THAT(values(kLabOutput), ElementsAre("a:1", "b:1"));
}

TEST_F(LoopTest, AGroupThatIsFoundedBetweenTwoLooksIsNotOneThatLostItsOffsets) {
  send("a:1");
  kafka_.append(kLabOutput, 0, SimRecord{{}, "of the other lane", {}, {}});
  int looks = 0;
  const auto found_at_the_second = [&](std::string_view operation) {
    if (operation == "committed" && ++looks == 2) {
      kafka_.set_committed(kLabGroup, kLabInput, 0, NextOffset(0), metadata(0, 0));
    }
    return Status::ok();
  };
  LabLane lane(kafka_, stores_, settings_, "lab.v1.0.0", found_at_the_second, probe_);
  for (int i = 0; i < 100; ++i) {
    const Status done = lane.step();
    ASSERT_TRUE(done.is_ok()) << done.message();
  }
  EXPECT_THAT(values(kLabOutput), ElementsAre("of the other lane", "a:1"));
}

// Whoever is given its partitions meanwhile would wait for them.
TEST_F(LoopTest, ALaneThatLeavesItsGroupLetsGoOfItsState) {
  send("a:1");
  fail("send_offsets", Status::rejoin("fenced", "fenced"));
  start();
  for (int i = 0; i < 100 && probe_.rejoins == 0; ++i) {
    ASSERT_TRUE(lane_->step().is_ok());
  }
  ASSERT_EQ(probe_.rejoins, 1);
  StoreIdentity its_state;
  its_state.topic = kLabInput;
  const Status wiped = stores_.wipe(its_state);
  EXPECT_TRUE(wiped.is_ok()) << wiped.message();
}

TEST_F(LoopTest, ADrainWithoutATurnHasNothingToRecoverFrom) {
  ASSERT_TRUE(run().is_ok());
  fail("poll", Status::rejoin("fenced", "fenced"));
  ASSERT_FALSE(lane_->loop().advance().is_ok());
  EXPECT_TRUE(lane_->loop().drain().is_ok());
}

TEST_F(LoopTest, ADrainThatFailedFailsAgainUntilItsTurnIsAborted) {
  leave_a_turn_open();
  fail("send_offsets", Status::abort("the group has moved on"));
  EXPECT_FALSE(lane_->loop().drain().is_ok());
  EXPECT_FALSE(lane_->loop().drain().is_ok());
  ASSERT_TRUE(lane_->step().is_ok());
  EXPECT_EQ(probe_.aborts, 1);
  EXPECT_TRUE(lane_->loop().drain().is_ok());
}

}  // namespace
}  // namespace weir
