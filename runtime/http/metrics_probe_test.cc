#include "http/metrics_probe.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::system_clock;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::int64_t kStartMs = 1'700'000'000'000;

InputPartition at(std::uint16_t input, std::int32_t partition) {
  return {InputIndex(input), Partition(partition)};
}

Origin some_origin() {
  return {at(0, 0), Offset(1)};
}

// A process with a clock of the test's.
struct Process {
  explicit Process(std::string deployment = "hello")
      : metrics(
            {.deployment = std::move(deployment), .version = 2, .build = "0.1.0", .now = [this] {
               return system_clock::time_point(milliseconds(now_ms));
             }}) {}

  std::unique_ptr<MetricsProbe> lane(int index = 0) {
    return std::make_unique<MetricsProbe>(
        metrics, index,
        std::vector<MetricsProbe::Input>{{"names", "names.v1"}, {"more", "more.v1"}});
  }

  std::string text() const { return metrics.exposition().body; }

  // The lines of one family without HELP and TYPE, and without the constant labels.
  std::vector<std::string> samples(const std::string& name) const {
    const std::string constant = "deployment=\"hello\",version=\"2\"";
    std::vector<std::string> found;
    std::istringstream lines(text());
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(name + "{")) {
        if (const auto i = line.find(constant); i != std::string::npos) {
          const bool more = line[i + constant.size()] == ',';
          line.erase(i, constant.size() + (more ? 1 : 0));
        }
        found.push_back(line.substr(name.size()));
      }
    }
    return found;
  }

  std::int64_t now_ms = kStartMs;
  Metrics metrics;
};

TEST(Metrics, ALaneThatIsGoneLeavesItsLastCommit) {
  Process process;
  process.lane()->turn_committed({}, milliseconds(1));
  EXPECT_THAT(process.samples("weir_last_commit_timestamp_seconds"), SizeIs(1));
}

TEST(Metrics, ASmallScenarioReadsAsExpected) {
  Process process;
  process.metrics.set_state(ProcessState::running);
  const auto lane = process.lane();
  lane->partition_assigned(at(0, 1), PartitionPhase::running, NextOffset(40), NextOffset(40),
                           StreamTime());
  lane->end_seen(at(0, 1), NextOffset(60));
  lane->step_took(Step::decode, std::chrono::microseconds(200));
  lane->record_dead_lettered(some_origin(), "json_syntax", "no }");
  lane->record_dropped("too_old");
  lane->offset_committed(at(0, 1), NextOffset(50), StreamTime(kStartMs - 2'500));
  lane->turn_committed({.records_in = 10,
                        .emitted = 6,
                        .outputs = 7,
                        .duplicates = 2,
                        .dropped = 1,
                        .dead_letters = 1,
                        .redeliveries = 3,
                        .unknown_fields = 4,
                        .cleaned_fields = 5,
                        .output_bytes = 700},
                       milliseconds(75));
  lane->turn_aborted("a guard");
  lane->producer_recreated("timed_out", "committing: Local: Timed out");
  std::ifstream file("runtime/http/exposition_test.txt");
  std::ostringstream expected;
  expected << file.rdbuf();
  if (std::getenv("WEIR_WRITE_EXPECTED") != nullptr) {
    std::ofstream("runtime/http/exposition_test.txt") << process.text();
  }
  EXPECT_EQ(process.text(), expected.str());
  EXPECT_EQ(process.metrics.exposition().content_type, "text/plain; version=0.0.4; charset=utf-8");
}

TEST(Metrics, TheTotalsAreThoseOfLanesThatAreThereAndOfThoseThatAreGone) {
  Process process;
  const TurnCounts each{.records_in = 10,
                        .emitted = 6,
                        .outputs = 7,
                        .duplicates = 2,
                        .dropped = 1,
                        .dead_letters = 4,
                        .redeliveries = 3,
                        .unknown_fields = 8,
                        .cleaned_fields = 5,
                        .output_bytes = 700};
  process.lane(0)->turn_committed(each, milliseconds(1));
  const auto lane = process.lane(1);
  lane->turn_committed(each, milliseconds(1));
  TurnCounts both = each;
  both += each;
  const TurnCounts totals = process.metrics.totals();
  EXPECT_EQ(totals.records_in, both.records_in);
  EXPECT_EQ(totals.emitted, both.emitted);
  EXPECT_EQ(totals.outputs, both.outputs);
  EXPECT_EQ(totals.duplicates, both.duplicates);
  EXPECT_EQ(totals.dropped, both.dropped);
  EXPECT_EQ(totals.dead_letters, both.dead_letters);
  EXPECT_EQ(totals.redeliveries, both.redeliveries);
  EXPECT_EQ(totals.unknown_fields, both.unknown_fields);
  EXPECT_EQ(totals.cleaned_fields, both.cleaned_fields);
  EXPECT_EQ(totals.output_bytes, both.output_bytes);
}

TEST(Metrics, WhatAnAbortedTurnSetAsideCountsOnceWhenItIsRepeated) {
  Process process;
  const auto lane = process.lane();
  const auto turn = [&] {
    lane->record_dead_lettered(some_origin(), "json_syntax", "");
    lane->record_dropped("too_old");
    lane->record_dropped("too_old");
  };
  turn();
  EXPECT_THAT(process.samples("weir_dead_letters_total"), IsEmpty());
  lane->turn_aborted("fenced");
  turn();
  lane->turn_committed({}, milliseconds(1));
  lane->turn_committed({}, milliseconds(1));  // a turn without any
  EXPECT_THAT(process.samples("weir_dead_letters_total"),
              ElementsAre("{reason=\"json_syntax\"} 1"));
  EXPECT_THAT(process.samples("weir_drops_total"), ElementsAre("{reason=\"too_old\"} 2"));
  EXPECT_THAT(process.samples("weir_transactions_total"),
              ElementsAre("{outcome=\"committed\"} 2", "{outcome=\"aborted\"} 1"));
}

TEST(Metrics, TheReasonOfMostDeadLettersIsThatOfAllLanesTogether) {
  Process process;
  EXPECT_EQ(process.metrics.dead_letters().reason, "");
  const auto first = process.lane(0);
  auto second = process.lane(1);
  for (const auto& [lane, reason] : {std::pair{first.get(), "a"},
                                     {first.get(), "b"},
                                     {first.get(), "b"},
                                     {second.get(), "c"},
                                     {second.get(), "a"},
                                     {second.get(), "a"}}) {
    lane->record_dead_lettered(some_origin(), reason, "");
  }
  EXPECT_EQ(process.metrics.dead_letters().reason, "") << "nothing is committed yet";
  first->turn_committed({}, milliseconds(1));
  EXPECT_EQ(process.metrics.dead_letters().reason, "b");
  second->turn_committed({}, milliseconds(1));
  second.reset();
  EXPECT_EQ(process.metrics.dead_letters().reason, "a");
}

TEST(Metrics, DeadLettersAreOfSomeRecordsAndHaveAFirstAndALast) {
  Process process;
  const auto first = process.lane(0);
  const auto second = process.lane(1);
  const auto commit = [&](MetricsProbe& lane, std::uint64_t dead_letters) {
    process.now_ms += 1000;
    lane.turn_committed({.records_in = 10, .dead_letters = dead_letters}, milliseconds(1));
    return system_clock::time_point(milliseconds(process.now_ms));
  };
  commit(*first, 0);
  EXPECT_FALSE(process.metrics.dead_letters().first_at || process.metrics.dead_letters().last_at);
  const auto earliest = commit(*second, 2);
  const auto latest = commit(*first, 1);
  commit(*second, 0);
  const DeadLetterStatus all = process.metrics.dead_letters();
  EXPECT_EQ(all.count, 3);
  EXPECT_EQ(all.records_in, 40);
  EXPECT_EQ(all.first_at, earliest);
  EXPECT_EQ(all.last_at, latest);
}

TEST(Metrics, APartitionsSeriesEndWhenItIsRevoked) {
  Process process;
  const auto lane = process.lane();
  EXPECT_FALSE(lane->has_partitions());
  lane->partition_assigned(at(0, 1), PartitionPhase::running, NextOffset(0), NextOffset(0),
                           StreamTime());
  lane->partition_assigned(at(1, 1), PartitionPhase::restoring, NextOffset(0), NextOffset(5),
                           StreamTime());
  EXPECT_TRUE(lane->has_partitions());
  EXPECT_THAT(
      process.samples("weir_committed_offset"),
      ElementsAre("{input=\"more\",partition=\"1\"} 5", "{input=\"names\",partition=\"1\"} 0"));
  EXPECT_THAT(process.samples("weir_assigned_partitions"), ElementsAre("{} 2"));
  lane->partitions_revoked(false);
  lane->offset_committed(at(0, 1), NextOffset(9), StreamTime(1));
  lane->end_seen(at(0, 1), NextOffset(9));
  EXPECT_THAT(process.samples("weir_committed_offset"), IsEmpty());
  EXPECT_THAT(process.samples("weir_log_end_offset"), IsEmpty());
  EXPECT_THAT(process.samples("weir_assigned_partitions"), ElementsAre("{} 0"));
}

TEST(Metrics, AMemberThatJoinsAgainOwnsNothing) {
  Process process;
  const auto lane = process.lane();
  lane->partition_assigned(at(0, 1), PartitionPhase::running, NextOffset(0), NextOffset(0),
                           StreamTime());
  lane->consumer_rejoined("fenced", "another has its place");
  EXPECT_THAT(process.samples("weir_assigned_partitions"), ElementsAre("{} 0"));
}

TEST(Metrics, ReasonsForNewClientsAreAFixedSet) {
  Process process;
  const auto lane = process.lane();
  lane->consumer_rejoined("fenced", "group hello, instance a1");
  lane->consumer_rejoined("a word of tomorrow", "");
  lane->producer_recreated("in_doubt", "a request of the last transaction had no clean answer");
  lane->producer_recreated("in_doubt", "a record was refused");
  lane->producer_recreated("possible_tear", "a request of it was sent twice");
  lane->producer_recreated("timed_out", "committing (transactional id h-0)");
  lane->producer_recreated("", "");
  EXPECT_THAT(process.samples("weir_consumer_rejoins_total"),
              ElementsAre("{reason=\"in_doubt\"} 0", "{reason=\"possible_tear\"} 0",
                          "{reason=\"fenced\"} 1", "{reason=\"timed_out\"} 0",
                          "{reason=\"revoked\"} 0", "{reason=\"other\"} 1"));
  EXPECT_THAT(process.samples("weir_producer_recreations_total"),
              ElementsAre("{reason=\"in_doubt\"} 2", "{reason=\"possible_tear\"} 1",
                          "{reason=\"fenced\"} 0", "{reason=\"timed_out\"} 1",
                          "{reason=\"revoked\"} 0", "{reason=\"other\"} 1"));
}

TEST(Metrics, APartitionThatTwoLanesBelieveToOwnIsShownOnceWhereItIsFurther) {
  Process process;
  const auto loser = process.lane(0);
  const auto owner = process.lane(1);
  loser->partition_assigned(at(0, 1), PartitionPhase::running, NextOffset(0), NextOffset(50),
                            StreamTime());
  owner->partition_assigned(at(0, 1), PartitionPhase::running, NextOffset(0), NextOffset(60),
                            StreamTime());
  EXPECT_THAT(process.samples("weir_committed_offset"),
              ElementsAre("{input=\"names\",partition=\"1\"} 60"));
}

class LagInSeconds : public ::testing::Test {
 protected:
  LagInSeconds() {
    lane_->partition_assigned(at(0, 0), PartitionPhase::running, NextOffset(0), NextOffset(0),
                              StreamTime());
  }

  std::string lag() const {
    const auto found = process_.samples("weir_lag_seconds");
    return found.empty() ? "none" : found.at(0).substr(found.at(0).find(' ') + 1);
  }

  void passes(seconds time) { process_.now_ms += milliseconds(time).count(); }

  void end_is(std::int64_t end) { lane_->end_seen(at(0, 0), NextOffset(end)); }

  // What each poll tells that returns, also while the brokers are silent.
  void client_remembers(std::int64_t end) { lane_->end_remembered(at(0, 0), NextOffset(end)); }

  void commit(std::int64_t next, std::int64_t stream_ms) {
    lane_->offset_committed(at(0, 0), NextOffset(next), StreamTime(stream_ms));
  }

  Process process_;
  std::unique_ptr<MetricsProbe> lane_ = process_.lane();
};

TEST_F(LagInSeconds, IsUnknownUntilTheEndIsSeen) {
  EXPECT_EQ(lag(), "none");
  EXPECT_THAT(process_.samples("weir_lag_records"), IsEmpty());
}

// A stage read as caught up for as long as its broker was away.
TEST_F(LagInSeconds, IsUnknownWhileTheBrokersAreCutOff) {
  end_is(100);
  commit(100, kStartMs);
  EXPECT_EQ(lag(), "0");
  lane_->set_cut_off(true);
  EXPECT_EQ(lag(), "none");
  EXPECT_THAT(process_.samples("weir_lag_records"), IsEmpty());
  EXPECT_THAT(process_.samples("weir_log_end_offset"), IsEmpty());
  EXPECT_EQ(process_.metrics.lanes()[0].partitions[0].end, std::nullopt);
  EXPECT_THAT(process_.samples("weir_committed_offset"), SizeIs(1));
  lane_->set_cut_off(false);
  EXPECT_EQ(lag(), "0");
}

TEST_F(LagInSeconds, IsNowMinusTheStreamTimeWhileThereIsLag) {
  end_is(100);
  commit(50, kStartMs - 60'000);
  passes(seconds(5));
  EXPECT_EQ(lag(), "65");
  commit(100, kStartMs);
  EXPECT_EQ(lag(), "0");
}

TEST_F(LagInSeconds, IsNoLongerThanTheTimeSinceNothingWasUnread) {
  commit(50, kStartMs - 3'600'000);  // a quiet topic: its last record is an hour old
  end_is(50);
  passes(seconds(7));
  end_is(51);
  EXPECT_EQ(lag(), "7");
}

TEST_F(LagInSeconds, CountsFromTheSightOfTheEndNotFromTheCommitThatReachedIt) {
  end_is(100);
  passes(seconds(30));
  commit(100, kStartMs - 60'000);
  end_is(500);
  EXPECT_EQ(lag(), "30");
}

// Behind an outage it began near 0, whatever had waited for how long.
TEST_F(LagInSeconds, IsNotMadeSmallerByAnEndThatIsOnlyRemembered) {
  end_is(100);
  commit(100, kStartMs - 60'000);
  for (int i = 0; i < 60; ++i) {
    passes(seconds(1));
    client_remembers(100);
  }
  lane_->set_cut_off(true);
  passes(seconds(3600));
  client_remembers(100);
  lane_->set_cut_off(false);
  client_remembers(103);
  EXPECT_EQ(lag(), "3660");
  end_is(103);
  EXPECT_EQ(lag(), "3660");
  commit(103, kStartMs);
  client_remembers(104);
  EXPECT_EQ(lag(), "0") << "the end that was just seen is reached";
}

// So it does after a session that was lost in an outage.
TEST_F(LagInSeconds, CountsFromTheStreamTimeThatWasCommittedBeforeTheAssignment) {
  lane_->partitions_revoked(true);
  lane_->partition_assigned(at(0, 0), PartitionPhase::running, NextOffset(50), NextOffset(50),
                            StreamTime(kStartMs - 90'000));
  end_is(100);
  passes(seconds(2));
  EXPECT_EQ(lag(), "92");
}

TEST_F(LagInSeconds, CountsFromTheAssignmentWhileNoStampTellsMore) {
  end_is(100);
  passes(seconds(12));
  EXPECT_EQ(lag(), "12");
}

using Blocked = LagInSeconds;

TEST_F(Blocked, IsAPartitionThatIsReadAsFarAsIsVisibleForAMinuteAndHoldsMore) {
  const auto since = [&] { return process_.metrics.lanes()[0].partitions[0].blocked_since; };
  commit(50, kStartMs);
  end_is(50);
  passes(seconds(100));  // idle
  end_is(50);
  client_remembers(80);
  passes(seconds(59));
  end_is(50);
  EXPECT_EQ(since(), std::nullopt) << "any transaction is open for a while";
  passes(seconds(1));
  client_remembers(80);
  EXPECT_EQ(since(), std::nullopt) << "the brokers may know better by now";
  end_is(50);
  EXPECT_EQ(since(), std::chrono::system_clock::time_point(milliseconds(kStartMs + 100'000)));
  end_is(40);
  EXPECT_NE(since(), std::nullopt) << "old news";
  lane_->set_cut_off(true);
  EXPECT_EQ(since(), std::nullopt) << "nobody knows";
  lane_->set_cut_off(false);
  end_is(80);
  EXPECT_EQ(since(), std::nullopt) << "it ended";
}

TEST_F(Blocked, IsNoneThatHasMoreToRead) {
  end_is(80);
  client_remembers(100);
  commit(50, kStartMs);
  passes(seconds(600));
  end_is(80);
  EXPECT_EQ(process_.metrics.lanes()[0].partitions[0].blocked_since, std::nullopt);
}

TEST_F(Blocked, IsNoneThatGoesOn) {
  end_is(50);
  commit(50, kStartMs);
  for (std::int64_t next = 51; next < 60; ++next) {
    client_remembers(100);
    passes(seconds(30));
    commit(next, kStartMs);
    end_is(next);
    EXPECT_EQ(process_.metrics.lanes()[0].partitions[0].blocked_since, std::nullopt);
  }
}

TEST_F(LagInSeconds, GoesOnWhenThePartitionIsAssignedAgainAfterARecovery) {
  end_is(100);
  passes(seconds(12));
  lane_->partition_assigned(at(0, 0), PartitionPhase::running, NextOffset(0), NextOffset(0),
                            StreamTime());
  passes(seconds(12));
  EXPECT_EQ(lag(), "24");
}

TEST_F(LagInSeconds, BeginsAnewWithAnAssignmentAfterARevocation) {
  end_is(100);
  passes(seconds(12));
  lane_->partitions_revoked(false);
  lane_->partition_assigned(at(0, 0), PartitionPhase::running, NextOffset(0), NextOffset(0),
                            StreamTime());
  EXPECT_EQ(lag(), "none");
}

TEST_F(LagInSeconds, IsNotHiddenByAStampFarAhead) {
  end_is(100);
  commit(50, kStartMs + 86'400'000);
  passes(seconds(20));
  EXPECT_EQ(lag(), "20");
}

TEST_F(LagInSeconds, AnEndThatIsOldNewsMakesItNoSmaller) {
  end_is(100);
  commit(50, kStartMs);
  end_is(50);
  passes(seconds(9));
  EXPECT_EQ(lag(), "9");
}

TEST_F(LagInSeconds, APositionPastTheEndIsNoNegativeLag) {
  end_is(100);
  commit(101, kStartMs);
  EXPECT_EQ(lag(), "0");
  EXPECT_THAT(process_.samples("weir_lag_records"),
              ElementsAre("{input=\"names\",partition=\"0\"} 0"));
}

TEST(Metrics, LanesAddUpAndOneThatIsGoneStaysInTheTotals) {
  Process process;
  auto first = process.lane(0);
  const auto second = process.lane(1);
  first->turn_committed({.records_in = 10}, milliseconds(1));
  second->turn_committed({.records_in = 5}, milliseconds(1));
  first->partition_assigned(at(0, 0), PartitionPhase::running, NextOffset(0), NextOffset(0),
                            StreamTime());
  EXPECT_THAT(process.metrics.lanes(), SizeIs(2));
  first.reset();
  EXPECT_THAT(process.metrics.lanes(), SizeIs(1));
  EXPECT_THAT(process.samples("weir_records_consumed_total"), ElementsAre("{} 15"));
  EXPECT_THAT(process.samples("weir_assigned_partitions"), ElementsAre("{} 0"));
  EXPECT_THAT(process.samples("weir_last_commit_timestamp_seconds"), ElementsAre("{} 1700000000"));
}

TEST(Metrics, ReasonsBeyondThirtyTwoAreCountedAsOther) {
  Process process;
  const auto first = process.lane(0);
  const auto second = process.lane(1);
  second->record_dead_lettered(some_origin(), "other", "");
  second->record_dead_lettered(some_origin(), "other", "");
  second->record_dead_lettered(some_origin(), "", "");
  for (int i = 0; i < 20; ++i) {
    first->record_dead_lettered(some_origin(), "a" + std::to_string(i), "");
    second->record_dead_lettered(some_origin(), "b" + std::to_string(i), "");
  }
  first->turn_committed({}, milliseconds(1));
  second->turn_committed({}, milliseconds(1));
  const auto samples = process.samples("weir_dead_letters_total");
  EXPECT_THAT(samples, SizeIs(33));
  EXPECT_EQ(samples.back(), "{reason=\"other\"} 11");
}

TEST(Metrics, HostileLabelValuesStayInsideTheirQuotes) {
  Process process("he\"llo\\\n\xFF");
  const auto lane = process.lane();
  lane->record_dropped("a\"} 1\nweir_fake{x=\"\x01");
  lane->record_dropped(std::string(1'000, 'x'));
  lane->turn_committed({}, milliseconds(1));
  EXPECT_THAT(process.text(),
              AllOf(HasSubstr("deployment=\"he\\\"llo\\\\\\n\xEF\xBF\xBD\""),
                    HasSubstr("reason=\"a\\\"} 1\\nweir_fake{x=\\\"\xEF\xBF\xBD\"} 1\n"),
                    HasSubstr("reason=\"" + std::string(64, 'x') + "\"} 1\n"),
                    Not(HasSubstr("\nweir_fake"))));
}

TEST(Metrics, LanesSayWhatTheyDoAndWhatWentWrongLast) {
  Process process;
  const auto lane = process.lane(4);
  EXPECT_EQ(process.metrics.lanes().at(0).state, "unassigned");
  EXPECT_EQ(process.metrics.lanes().at(0).last_error_at, std::nullopt);
  lane->partition_assigned(at(0, 0), PartitionPhase::restoring, NextOffset(0), NextOffset(20),
                           StreamTime());
  lane->partition_assigned(at(1, 0), PartitionPhase::running, NextOffset(7), NextOffset(7),
                           StreamTime());
  lane->state_wiped(at(0, 0), "no local state");
  lane->turn_aborted("the broker refused it");
  LaneStatus status = process.metrics.lanes().at(0);
  EXPECT_EQ(status.index, 4);
  EXPECT_EQ(status.state, "restoring");
  EXPECT_EQ(status.last_error, "turn aborted: the broker refused it");
  EXPECT_EQ(status.last_error_at, system_clock::time_point(milliseconds(kStartMs)));
  lane->partition_restored(at(0, 0), NextOffset(25));
  status = process.metrics.lanes().at(0);
  EXPECT_EQ(status.state, "running");
  ASSERT_THAT(status.partitions, SizeIs(2));
  EXPECT_EQ(status.partitions[0].topic, "names.v1");
  EXPECT_EQ(status.partitions[0].committed, NextOffset(25));
  EXPECT_EQ(status.partitions[0].end, std::nullopt);
  EXPECT_THAT(process.samples("weir_restores_total"), ElementsAre("{} 1"));
}

TEST(Metrics, ScrapesWhileLanesComeWorkAndGo) {
  Process process;
  std::atomic<bool> is_done{false};
  std::thread scraper([&] {
    while (!is_done) {
      process.text();
    }
  });
  for (int i = 0; i < 100; ++i) {
    const auto lane = process.lane(i);
    lane->partition_assigned(at(0, i), PartitionPhase::running, NextOffset(0), NextOffset(0),
                             StreamTime());
    lane->record_dead_lettered(some_origin(), "r" + std::to_string(i), "");
    lane->end_seen(at(0, i), NextOffset(10));
    lane->offset_committed(at(0, i), NextOffset(5), StreamTime(kStartMs));
    lane->turn_committed({.records_in = 1}, milliseconds(1));
    lane->turn_aborted("x");
    lane->partitions_revoked(true);
  }
  is_done = true;
  scraper.join();
  EXPECT_THAT(process.samples("weir_records_consumed_total"), ElementsAre("{} 100"));
}

// All that a scrape can hold, with `partitions` assigned.
std::string everything(int partitions) {
  Process process;
  const auto lane = process.lane();
  for (int i = 0; i < 100; ++i) {
    const std::string word = "r" + std::to_string(i);
    lane->record_dropped(word);
    lane->record_dead_lettered(some_origin(), word, "");
    lane->producer_recreated(word, word);
    lane->consumer_rejoined(word, word);
  }
  for (int i = 0; i < partitions; ++i) {
    lane->partition_assigned(at(0, i), PartitionPhase::running, NextOffset(0), NextOffset(0),
                             StreamTime());
    lane->end_seen(at(0, i), NextOffset(10));
  }
  lane->turn_committed({}, milliseconds(1));
  return process.text();
}

TEST(Metrics, TheNumberOfSeriesIsBounded) {
  const auto series = [](const std::string& text) {
    std::istringstream lines(text);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
      count += line.starts_with('#') ? 0 : 1;
    }
    return count;
  };
  const int without = series(everything(0));
  EXPECT_LE(without, 250);
  EXPECT_EQ(series(everything(1'000)), without + 4 * 1'000);
}

// What the tool says, and its exit code last.
std::string promtool(const std::string& words) {
  FILE* pipe = ::popen(("promtool " + words + " 2>&1").c_str(), "r");
  std::string said;
  std::array<char, 512> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    said.append(buffer.data(), n);
  }
  return said + std::to_string(WEXITSTATUS(::pclose(pipe)));
}

class Promtool : public ::testing::Test {
 protected:
  void SetUp() override {
    // NOLINTNEXTLINE(cert-env33-c): is the tool there?
    if (std::system("command -v promtool >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "promtool is missing (Debian package prometheus): nothing is checked";
    }
  }

  // The file's path.
  static std::string write(const std::string& name, const std::string& text) {
    std::string path = ::testing::TempDir() + "weir_" + std::to_string(::getpid()) + "_" + name;
    std::ofstream(path) << text;
    return path;
  }
};

// The rules that the reference proposes.
std::string alerts() {
  const std::string reference = metrics_reference();
  const std::string fence = "```yaml\n";
  const std::size_t begin = reference.find(fence) + fence.size();
  return reference.substr(begin, reference.find("```", begin) - begin);
}

TEST_F(Promtool, FindsNothingToSayOfTheExposition) {
  EXPECT_EQ(promtool("check metrics <" + write("metrics.txt", everything(2))), "0");
}

TEST_F(Promtool, TheAlertsComeWhenTheyShouldAndNotBefore) {
  const std::string rules = write("rules.yml", alerts());
  const std::string test = write(
      "rules_test.yml", "rule_files: [" + rules + R"(]
tests:
  - interval: 1m
    input_series:
      - series: up{job="weir"}
        values: 1x10 0x20
      - series: weir_state{job="weir",state="running"}
        values: 1x10 0x20
      - series: weir_records_dead_lettered_total{deployment="hello",version="2",instance="a:1"}
        values: 0x10 1x20
      - series: weir_lag_records{deployment="hello",version="2",input="names",partition="0"}
        values: 0x10 5x20
      - series: weir_blocked_partitions{deployment="hello",version="2"}
        values: 0x10 2x20
      - series: weir_lag_seconds{deployment="hello",version="2",input="names",partition="0"}
        values: 0x10 600x20
      - series: weir_transactions_total{deployment="hello",version="2",outcome="committed"}
        values: 0+60x10 600x20
    alert_rule_test:
)" + [] {
        const std::string of_all = R"(deployment: hello, version: "2")";
        std::string expected;
        for (const auto& [name, labels] : std::vector<std::pair<std::string, std::string>>{
                 {"WeirIsDown", "job: weir"},
                 {"WeirIsNotReady", "job: weir, state: running"},
                 {"WeirStandsStill", of_all},
                 {"WeirIsBlocked", of_all},
                 {"WeirIsBehind", of_all}}) {
          expected += "      - {eval_time: 10m, alertname: " + name + ", exp_alerts: []}\n" +
                      "      - {eval_time: 22m, alertname: " + name +
                      ", exp_alerts: [{exp_labels: {" + labels + "}}]}\n";
        }
        return expected;
      }() + R"(
      - {eval_time: 10m, alertname: WeirSetsRecordsAside, exp_alerts: []}
      - eval_time: 11m
        alertname: WeirSetsRecordsAside
        exp_alerts: [{exp_labels: {deployment: hello, version: "2"}}]
)");
  EXPECT_THAT(promtool("test rules " + test), HasSubstr("SUCCESS"));
}

TEST(Metrics, TheAlertsAskForWhatIsExposed) {
  const std::string rules = alerts();
  const std::string exposed = everything(1);
  const std::regex name("weir_[a-z_]+");
  int found = 0;
  for (std::sregex_iterator i(rules.begin(), rules.end(), name), end; i != end; ++i, ++found) {
    EXPECT_THAT(exposed, HasSubstr("\n" + i->str() + "{"));
  }
  EXPECT_GE(found, 5);
}

TEST(Metrics, DropsAndDeadLettersCountFromZero) {
  Process process;
  const auto lane = process.lane();
  EXPECT_THAT(process.samples("weir_records_dropped_total"), ElementsAre("{} 0"));
  EXPECT_THAT(process.samples("weir_records_dead_lettered_total"), ElementsAre("{} 0"));
  lane->turn_committed({.dropped = 2, .dead_letters = 3}, milliseconds(1));
  EXPECT_THAT(process.samples("weir_records_dropped_total"), ElementsAre("{} 2"));
  EXPECT_THAT(process.samples("weir_records_dead_lettered_total"), ElementsAre("{} 3"));
}

TEST(Metrics, TheReferenceIsWhatTheCatalogueSays) {
  const char* const path = "runtime/http/METRICS.md";
  if (std::getenv("WEIR_WRITE_EXPECTED") != nullptr) {
    std::ofstream(path) << metrics_reference();
  }
  std::ifstream file(path);
  std::ostringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), metrics_reference())
      << path << " is stale: run this test with WEIR_WRITE_EXPECTED=1";
}

}  // namespace
}  // namespace weir
